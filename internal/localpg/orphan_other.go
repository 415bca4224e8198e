//go:build !linux

package localpg

import "syscall"

// dieWithParent does nothing, because only Linux can signal the child. The next Start
// stops the server.
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}
