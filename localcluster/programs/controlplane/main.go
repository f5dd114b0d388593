// Controlplane is the parts of Kubernetes and etcd in one program: most of their packages are shared.
// Each part is compiled only with its build tag, with_kube_apiserver for kube-apiserver.
package main

import (
	"fmt"
	"os"
)

var parts = map[string]func(){}

func main() {
	if len(os.Args) > 1 {
		if run, ok := parts[os.Args[1]]; ok {
			os.Args = os.Args[1:]
			run()
			return
		}
	}
	fmt.Fprintln(os.Stderr, "usage: controlplane PART [flags]")
	os.Exit(2)
}
