//go:build !linux

package db

import (
	"syscall"
	"time"
)

// setUserTimeout does nothing: the option is Linux's. Keepalive finds a dead network
// here, if later.
func setUserTimeout(syscall.RawConn, time.Duration) error { return nil }
