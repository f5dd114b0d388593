package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// customization is what argocd-cm has for one kind, and resources of that kind.
type customization struct {
	Key       string                      `json:"key"`
	Health    string                      `json:"health"`
	Actions   string                      `json:"actions"`
	Resources []unstructured.Unstructured `json:"resources"`
}

// outcome is what Argo CD makes of one resource: its health, its actions, and the object that each of them makes.
type outcome struct {
	Status  string                     `json:"status"`
	Message string                     `json:"message"`
	Actions []v1alpha1.ResourceAction  `json:"actions"`
	Objects map[string]*map[string]any `json:"objects"`
	Errors  map[string]string          `json:"errors"`
}

// newLuaCommand returns the command that runs the scripts of a customization on standard input as Argo CD's servers do.
func newLuaCommand() *cobra.Command {
	return &cobra.Command{Use: "lua", SilenceUsage: true, RunE: func(*cobra.Command, []string) error {
		var given customization
		if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
			return err
		}
		overrides := map[string]v1alpha1.ResourceOverride{given.Key: {HealthLua: given.Health, Actions: given.Actions}}
		found := []outcome{}
		for index := range given.Resources {
			one, err := outcomeOf(&given.Resources[index], overrides)
			if err != nil {
				return fmt.Errorf("resource %d: %w", index, err)
			}
			found = append(found, one)
		}
		return json.NewEncoder(os.Stdout).Encode(found)
	}}
}

func outcomeOf(live *unstructured.Unstructured, overrides map[string]v1alpha1.ResourceOverride) (outcome, error) {
	made := outcome{Objects: map[string]*map[string]any{}, Errors: map[string]string{}}
	health, err := lua.ResourceHealthOverrides(overrides).GetResourceHealth(live)
	if err != nil {
		return made, err
	}
	made.Status, made.Message = string(health.Status), health.Message
	machine := lua.VM{ResourceOverrides: overrides}
	scripts, err := machine.GetResourceActionDiscovery(live)
	if err != nil {
		return made, err
	}
	if made.Actions, err = machine.ExecuteResourceActionDiscovery(live, scripts); err != nil {
		return made, err
	}
	for _, action := range made.Actions {
		definition, err := machine.GetResourceAction(live, action.Name)
		if err != nil {
			return made, err
		}
		changed, err := machine.ExecuteResourceAction(live, definition.ActionLua, nil)
		if err != nil {
			made.Errors[action.Name] = err.Error()
			continue
		}
		if len(changed) != 1 || changed[0].K8SOperation != lua.PatchOperation {
			return made, fmt.Errorf("%s does not change this one object", action.Name)
		}
		made.Objects[action.Name] = &changed[0].UnstructuredObj.Object
	}
	return made, nil
}
