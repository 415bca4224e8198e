package localpg

import "syscall"

// dieWithParent has the child get the signal when this process ends, however it
// ends.
func dieWithParent(attr *syscall.SysProcAttr, signal syscall.Signal) {
	attr.Pdeathsig = signal
}
