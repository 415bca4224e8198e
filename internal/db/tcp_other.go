//go:build !linux

package db

import (
	"syscall"
	"time"
)

// setUserTimeout does nothing, because only Linux has TCP_USER_TIMEOUT. On other systems,
// keepalive detects a dead network, but later.
func setUserTimeout(syscall.RawConn, time.Duration) error { return nil }
