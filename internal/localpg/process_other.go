//go:build !linux

package localpg

import "syscall"

// dieWithParent: nothing of the kind here. The next Start ends a server whose
// owner was killed.
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}
