package localpg

import "syscall"

// dieWithParent has the kernel send the child the signal when this process ends.
func dieWithParent(attr *syscall.SysProcAttr, signal syscall.Signal) { attr.Pdeathsig = signal }
