package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

type healthcheckCommand struct {
	Addr string `env:"ORGD_ADDR" default:":8080" placeholder:"HOST:PORT" help:"Address of the API (default: ${default})."`
}

// Validate rejects an invalid address.
func (c *healthcheckCommand) Validate() error { return validAddr("ORGD_ADDR", c.Addr) }

// Run fails unless the server is ready.
func (c *healthcheckCommand) Run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+localAddr(c.Addr)+"/readyz", nil)
	if err != nil {
		return err
	}
	// A bare transport ignores HTTP_PROXY and does not follow redirects.
	response, err := (&http.Transport{}).RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", response.Status)
	}
	return nil
}
