package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// client sends requests with one API key.
type client struct {
	http *http.Client
	key  string
	from string // client address for X-Forwarded-For; empty for none
}

// page is the part of a list's response that the benchmark reads.
type page struct {
	Cursor        string
	Organizations []struct{ OrgID string }
}

func newClient(key string) *client {
	return &client{http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}, Timeout: time.Minute}, key: key}
}

// get returns the body, and the time from sending the request to the end of the body.
func (c *client) get(ctx context.Context, url string) ([]byte, time.Duration, error) {
	start := time.Now()
	status, body, err := c.do(ctx, http.MethodGet, url, "")
	took := time.Since(start)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s: status %d\n%s", url, status, body)
	}
	return body, took, err
}

// do sends a request, with a JSON body unless body is empty.
func (c *client) do(ctx context.Context, method, url, body string) (status int, answer []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.key)
	if c.from != "" {
		request.Header.Set("X-Forwarded-For", c.from)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}

func (c *client) page(ctx context.Context, url string) (page, error) {
	body, _, err := c.get(ctx, url)
	if err != nil {
		return page{}, err
	}
	var p page
	return p, json.Unmarshal(body, &p)
}

// walk reads page after page up to the deep page and returns the deep page's cursor.
func (b *bench) walk(ctx context.Context) (cursor string, err error) {
	progress("walking to the page after %d organizations", b.depth())
	start := time.Now()
	pages := b.depth() / pageSize
	for range pages {
		p, err := b.client.page(ctx, listURL(b.orgd, pageSize, cursor, ""))
		if err != nil {
			return "", err
		}
		if cursor = p.Cursor; cursor == "" {
			return "", fmt.Errorf("the list ended before %d organizations", b.depth())
		}
	}
	b.printf("\norgd, a walk through %d pages of %d: %.2f ms per page\n", pages, pageSize,
		milliseconds(time.Since(start))/float64(pages))
	return cursor, nil
}

// checkAlike checks that the two servers return the same first page.
func (b *bench) checkAlike(ctx context.Context) error {
	ours, err := b.client.page(ctx, listURL(b.orgd, pageSize, "", ""))
	if err != nil {
		return err
	}
	bare, err := b.client.page(ctx, listURL(b.floor, pageSize, "", ""))
	if err != nil {
		return err
	}
	if len(ours.Organizations) != pageSize || !slices.Equal(ours.Organizations, bare.Organizations) {
		return errors.New("orgd and the bare handler list different organizations")
	}
	return nil
}
