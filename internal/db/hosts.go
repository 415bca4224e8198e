package db

import (
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// silentLimit bounds the connection to a host that was silent before.
	silentLimit = 500 * time.Millisecond
	silentFor   = 30 * time.Second
)

// hosts remembers which hosts of a URL with several hosts are silent, so the next
// connection spends less time on them.
type hosts struct {
	several bool
	mu      sync.Mutex
	silent  map[string]time.Time // until when, by address
}

func newHosts(cfg *pgx.ConnConfig) *hosts {
	h := &hosts{silent: map[string]time.Time{}}
	for _, f := range cfg.Fallbacks { // another host, or the same without TLS
		h.several = h.several || f.Host != cfg.Host || f.Port != cfg.Port
	}
	return h
}

// limit returns how long a connection to the address may take; 0: the usual limit.
func (h *hosts) limit(address string) time.Duration {
	if !h.several {
		return 0
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Now().Before(h.silent[address]) {
		return silentLimit
	}
	return 0
}

// wasSilent does not extend an earlier mark: when that ends, a host that is only slow
// gets the full time again.
func (h *hosts) wasSilent(address string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := time.Now(); now.After(h.silent[address]) {
		h.silent[address] = now.Add(silentFor)
	}
}

func (h *hosts) answered(address string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.silent, address)
}
