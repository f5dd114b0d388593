// Controlplane is etcd, kube-apiserver and kube-controller-manager in one program: most of their packages are shared.
// Each part is compiled only with its build tag: with_etcd, with_kube_apiserver, with_kube_controller_manager.
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
	fmt.Fprintln(os.Stderr, "usage: controlplane etcd|kube-apiserver|kube-controller-manager [flags]")
	os.Exit(2)
}
