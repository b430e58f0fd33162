//go:build tools

// Package cluster names the program that is built, so that `go mod tidy` keeps what it needs.
package cluster

import _ "k8s.io/kubernetes/cmd/kube-apiserver"
