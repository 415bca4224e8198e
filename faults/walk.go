package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// walk reads all pages from a replica. They must contain every organization in the
// database exactly once.
func (e *episode) walk(ctx context.Context, r *replica, s state) error {
	seen := map[string]bool{}
	for cursor := ""; ; {
		var page struct {
			HasMore       bool
			Cursor        string
			Organizations []struct{ OrgID string }
		}
		if err := getJSON(ctx, r.url()+"/v1/orgs?limit=100"+cursor, e.tenant.keys[0], &page); err != nil {
			return fmt.Errorf("walk at replica %d: %w", r.number, err)
		}
		for _, o := range page.Organizations {
			if _, there := s.metadata[o.OrgID]; !there {
				return fmt.Errorf("walk at replica %d: %s is listed, but is not in the database", r.number, o.OrgID)
			}
			if seen[o.OrgID] {
				return fmt.Errorf("walk at replica %d: %s is listed twice", r.number, o.OrgID)
			}
			seen[o.OrgID] = true
		}
		if !page.HasMore {
			break
		}
		cursor = "&cursor=" + page.Cursor
	}
	if len(seen) != len(s.metadata) {
		return fmt.Errorf("walk at replica %d: found %d of %d organizations", r.number, len(seen), len(s.metadata))
	}
	return nil
}

// readDeleted looks for organizations whose deletion was acknowledged.
func (e *episode) readDeleted(ctx context.Context, r *replica) error {
	query := url.Values{}
	for _, c := range e.stage.load.ledger.calls { // the load has ended
		if c.kind == deleteOrg && c.answer() != nil && len(query["orgId"]) < 100 {
			query.Add("orgId", c.org)
		}
	}
	if len(query) == 0 {
		return nil // a slow load makes few calls
	}
	var found struct{ Organizations []struct{ OrgID string } }
	if err := getJSON(ctx, r.url()+"/v1/orgs?"+query.Encode(), e.tenant.keys[0], &found); err != nil {
		return fmt.Errorf("list at replica %d: %w", r.number, err)
	}
	if len(found.Organizations) > 0 {
		return fmt.Errorf("replica %d lists deleted organizations: %s", r.number, found.Organizations)
	}
	org := query.Get("orgId")
	switch err := getJSON(ctx, r.url()+"/v1/orgs/"+org, e.tenant.keys[0], &found); {
	case err == nil:
		return fmt.Errorf("replica %d returns the deleted %s", r.number, org)
	case !strings.HasPrefix(err.Error(), "404"):
		return fmt.Errorf("read of the deleted %s at replica %d: %w", org, r.number, err)
	}
	return nil
}

func getJSON(ctx context.Context, url, key string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, hangLimit)
	defer cancel()
	asked, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	asked.Header.Set("Authorization", "Bearer "+key)
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(asked)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %.200s", answer.Status, text)
	}
	return json.Unmarshal(text, into)
}

// readinessWatch polls the readiness probe of each replica.
type readinessWatch struct {
	cancel context.CancelFunc
	asking sync.WaitGroup

	mu    sync.Mutex
	is    []bool
	since []time.Time // of the last change
}

const probeEvery = 100 * time.Millisecond

func (e *episode) watchReadiness(ctx context.Context) *readinessWatch {
	ctx, cancel := context.WithCancel(ctx)
	w := &readinessWatch{cancel: cancel, is: make([]bool, len(e.replicas)), since: make([]time.Time, len(e.replicas))}
	for i, r := range e.replicas {
		w.is[i] = true // awaitReady has checked it
		w.asking.Go(func() {
			for sleep(ctx, probeEvery) {
				w.note(i, r.ready(ctx))
			}
		})
	}
	return w
}

func (w *readinessWatch) note(i int, ready bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.is[i] != ready {
		w.is[i], w.since[i] = ready, time.Now()
	}
}

func (w *readinessWatch) ready(i int) (ready bool, since time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.is[i], w.since[i]
}

func (w *readinessWatch) stop() {
	w.cancel()
	w.asking.Wait()
}
