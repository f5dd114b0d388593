//go:build with_etcd

package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func init() {
	parts["etcd"] = func() { etcdmain.Main(os.Args) }
}
