//go:build !linux

package db

import (
	"syscall"
	"time"
)

// setUserTimeout does nothing: only Linux has the option. Elsewhere keepalive detects a
// dead network, only later.
func setUserTimeout(syscall.RawConn, time.Duration) error { return nil }
