package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// feedEvent is the part of an event that is compared, as a reader got it or as it is in the
// database.
type feedEvent struct {
	Position        int64
	Type, RequestID string
	OrgID           string
}

// reader follows the feed as a consumer does: it keeps the events and the cursor of a page
// together. It reads at a random replica with a random limit, and drops some answers, like
// a consumer that dies before it has stored them.
type reader struct {
	number int
	urls   []string
	key    string
	http   http.Client

	turn       chan struct{} // holds a token during a read
	seen       []feedEvent
	cursor     string
	ids        map[string]bool // of the events seen
	restarts   int             // because of 410 cursor_expired
	violations []string
}

const (
	readerCount = 3
	readerPause = 200 * time.Millisecond // at most, between two pages; keeps the key below its rate limit
)

// errDied means that the consumer died before it stored the page.
var errDied = errors.New("the consumer died")

// readers are the readers of the load's account.
type readers struct {
	all     []*reader
	running sync.WaitGroup
	cancel  context.CancelFunc
}

func startReaders(ctx context.Context, urls []string, key string) *readers {
	var rs readers
	ctx, rs.cancel = context.WithCancel(ctx)
	for i := range readerCount {
		r := &reader{number: i, urls: urls, key: key, ids: map[string]bool{}, turn: make(chan struct{}, 1), http: http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}}
		rs.all = append(rs.all, r)
		rs.running.Go(func() { r.follow(ctx) })
	}
	return &rs
}

func (rs *readers) stop() {
	rs.cancel()
	rs.running.Wait()
	for _, r := range rs.all {
		r.http.CloseIdleConnections()
	}
}

func (r *reader) follow(ctx context.Context) {
	for sleep(ctx, rand.N(readerPause)) {
		select {
		case r.turn <- struct{}{}:
		case <-ctx.Done():
			return
		}
		limited, cancel := context.WithTimeout(ctx, hangLimit)
		_, _ = r.read(limited, rand.N(len(r.urls)), rand.N(2)) // it tries again after any failure
		cancel()
		<-r.turn
	}
}

// read reads the next page. It returns the number of events, or an error if there was no
// page. It notes an answer that breaks the feed's promises.
func (r *reader) read(ctx context.Context, replica, wait int) (int, error) {
	query := url.Values{"limit": {strconv.Itoa(1 + rand.N(100))}, "wait": {strconv.Itoa(wait)}}
	if r.cursor != "" {
		query.Set("cursor", r.cursor)
	}
	asked, err := http.NewRequestWithContext(ctx, http.MethodGet, r.urls[replica]+"/v1/events?"+query.Encode(), nil)
	if err != nil {
		return 0, err
	}
	asked.Header.Set("Authorization", "Bearer "+r.key)
	answer, err := r.http.Do(asked)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err
	}
	switch answer.StatusCode {
	case http.StatusOK:
		if rand.N(8) == 0 {
			return 0, errDied
		}
		return r.take(body)
	case http.StatusGone:
		r.seen, r.cursor, r.ids = nil, "", map[string]bool{}
		r.restarts++
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
	default:
		r.add("replica %d answered %s: %.200s", replica, answer.Status, body)
	}
	return 0, fmt.Errorf("%s: %.200s", answer.Status, body)
}

// take keeps the events of a page, together with its cursor.
func (r *reader) take(body []byte) (int, error) {
	var page struct {
		Cursor string
		Events []struct {
			EventID string
			feedEvent
		}
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return 0, err
	}
	for _, e := range page.Events {
		if want := int64(len(r.seen)) + 1; e.Position != want {
			r.add("got the position %d, want %d", e.Position, want)
		}
		if r.ids[e.EventID] {
			r.add("got the event %s again at the position %d", e.EventID, e.Position)
		}
		r.ids[e.EventID] = true
		r.seen = append(r.seen, e.feedEvent)
	}
	r.cursor = page.Cursor
	return len(page.Events), nil
}

func (r *reader) add(format string, args ...any) {
	const kept = 5
	if len(r.violations) < kept {
		r.violations = append(r.violations, fmt.Sprintf("feed reader %d: ", r.number)+fmt.Sprintf(format, args...))
	}
}

// finish reads until no replica returns more events.
func (r *reader) finish(ctx context.Context) error {
	return await(ctx, fmt.Sprintf("feed reader %d reaches the end", r.number), recoveryLimit, func() (bool, error) {
		for replica := range r.urls {
			if n, err := r.read(ctx, replica, 0); err != nil || n > 0 {
				return false, nil //nolint:nilerr // await tries again, and reports that the end was not reached
			}
		}
		return true, nil
	})
}

// readBeyond waits until all readers but the first have an event after the position.
func (rs *readers) readBeyond(ctx context.Context, position int64) error {
	return await(ctx, "the other feed readers get newer events", recoveryLimit, func() (bool, error) {
		for _, r := range rs.all[1:] {
			r.turn <- struct{}{}
			n := int64(len(r.seen))
			<-r.turn
			if n <= position {
				return false, nil
			}
		}
		return true, nil
	})
}

// rewound checks that after the restore to an earlier state, the readers with later
// cursors began again. The first reader did not read in between, and must not begin
// again.
func rewound(e *episode) error {
	for i, r := range e.stage.readers.all {
		if begins := r.restarts > 0; begins != (i > 0) {
			return fmt.Errorf("feed reader %d began again %d times", i, r.restarts)
		}
	}
	return nil
}

// finish lets each reader read to the end of the feed.
func (rs *readers) finish(ctx context.Context) {
	for _, r := range rs.all {
		if err := r.finish(ctx); err != nil {
			r.add("%v", err)
		}
		r.http.CloseIdleConnections()
	}
}

// check compares what the readers got with all events of the account: each exactly once,
// in the order of the positions.
func (rs *readers) check(want []feedEvent, mayRestart bool) (violations []string) {
	for _, r := range rs.all {
		if r.restarts > 0 && !mayRestart {
			r.add("its cursor was rejected with 410 %d times", r.restarts)
		}
		if len(r.seen) != len(want) {
			r.add("got %d events, but the database has %d", len(r.seen), len(want))
		}
		for i := range min(len(r.seen), len(want)) {
			if r.seen[i] != want[i] {
				r.add("got %+v, but the database has %+v", r.seen[i], want[i])
				break
			}
		}
		violations = append(violations, r.violations...)
	}
	return violations
}

// readFeed returns the events of the account by position. It returns an error if an event
// has no position, or if the events of an organization are not in the order of their ids.
func readFeed(ctx context.Context, conn *pgx.Conn, account string) (all []feedEvent, err error) {
	var disordered int
	err = conn.QueryRow(ctx, `
SELECT count(*) FROM (
  SELECT position, lag(position) OVER (PARTITION BY org_id ORDER BY id) AS previous FROM events WHERE account_id = $1 AND org_id IS NOT NULL
) AS e WHERE position IS NULL OR previous >= position`, account).Scan(&disordered)
	if err != nil {
		return nil, err
	}
	if disordered > 0 {
		return nil, fmt.Errorf("%d events of organizations have no position, or a position out of order", disordered)
	}
	rows, err := conn.Query(ctx, `
SELECT coalesce(position, 0), type, request_id, coalesce(`+fmt.Sprintf(textID, "org_id")+`, '') FROM events WHERE account_id = $1 ORDER BY position`, account)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[feedEvent])
}
