package db

import (
	"os"
	"syscall"
	"time"
)

// tcpUserTimeout is TCP_USER_TIMEOUT of tcp(7), which package syscall does not define.
const tcpUserTimeout = 0x12

func setUserTimeout(c syscall.RawConn, timeout time.Duration) (err error) {
	controlled := c.Control(func(fd uintptr) {
		err = os.NewSyscallError("setsockopt", syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(timeout.Milliseconds())))
	})
	if controlled != nil {
		return controlled
	}
	return err
}
