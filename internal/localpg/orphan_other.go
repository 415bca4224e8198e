//go:build !linux

package localpg

import "syscall"

// dieWithParent does nothing: only Linux can do this. The next Start stops the server.
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}
