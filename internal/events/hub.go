package events

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// Channel is the channel on which servers tell each other which accounts have new
// events. The payload is the sender's name and the ids of the accounts.
const Channel = "orgd_events"

const (
	// announceEvery is how often a server announces changes. NOTIFY holds a lock on the
	// whole database while its transaction commits, so it is never part of a change, and
	// one NOTIFY covers many changes.
	announceEvery = 20 * time.Millisecond
	// accountsPerNotice is how many ids fit into a payload, which must be shorter than 8000
	// bytes.
	accountsPerNotice = 200
	// PollEvery is how often a server checks the accounts with waiting readers for new
	// events, in case a notification was lost or a change was made by hand.
	PollEvery = time.Second
)

// Hub wakes the readers that wait at the end of an account's feed. It learns of new events
// from the changes of this process, and from the notifications of others.
type Hub struct {
	db   *db.Pool
	name string // of this process, among the senders of notifications

	mu      sync.Mutex
	waiting map[uuid.UUID]map[*Waiter]bool
	follow  func(accountID uuid.UUID)
	changed map[uuid.UUID]bool // to be announced
	news    chan struct{}      // has a message if changed is not empty

	lag atomic.Int64 // see Lag; in nanoseconds
}

// NewHub returns a hub without readers.
func NewHub(pool *db.Pool) *Hub {
	var random [8]byte
	rand.Read(random[:]) // never returns an error: it crashes the program instead
	return &Hub{
		db: pool, name: hex.EncodeToString(random[:]),
		waiting: map[uuid.UUID]map[*Waiter]bool{}, follow: func(uuid.UUID) {}, changed: map[uuid.UUID]bool{}, news: make(chan struct{}, 1),
	}
}

// Waiter is a reader that waits for events of an account.
type Waiter struct {
	hub       *Hub
	accountID uuid.UUID
	woken     chan struct{}
	position  int64 // of the end of the feed when the reader last read it
	atEnd     bool  // the reader has read to the end at least once
}

// Wait registers a reader. To miss no event, call Wait before reading the feed, and wait
// only after reading to its end. The caller must call Close.
func (h *Hub) Wait(accountID uuid.UUID) *Waiter {
	w := &Waiter{hub: h, accountID: accountID, woken: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting[accountID] == nil {
		h.waiting[accountID] = map[*Waiter]bool{}
	}
	h.waiting[accountID][w] = true
	return w
}

// Woken returns a channel that receives a message when there may be events after the
// position. The reader must have read the feed up to the position.
func (w *Waiter) Woken(position int64) <-chan struct{} {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	w.position, w.atEnd = position, true
	return w.woken
}

// Close removes the reader.
func (w *Waiter) Close() {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	delete(w.hub.waiting[w.accountID], w)
	if len(w.hub.waiting[w.accountID]) == 0 {
		delete(w.hub.waiting, w.accountID)
	}
}

func (w *Waiter) wake() {
	select {
	case w.woken <- struct{}{}:
	default: // the channel already has a message
	}
}

// Waiting returns the number of readers.
func (h *Hub) Waiting() (readers int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, of := range h.waiting {
		readers += len(of)
	}
	return readers
}

// Changed reports a committed change of the account by this process. It never blocks.
func (h *Hub) Changed(accountID uuid.UUID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wake(accountID)
	h.changed[accountID] = true
	select {
	case h.news <- struct{}{}:
	default:
	}
}

// Heard handles a notification on Channel.
func (h *Hub) Heard(payload string) {
	sender, ids, _ := strings.Cut(payload, " ")
	if sender == h.name {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for id := range strings.SplitSeq(ids, " ") {
		if accountID, err := uuid.Parse(id); err == nil {
			h.wake(accountID)
		}
	}
}

// WakeAll wakes all readers, because notifications may have been lost.
func (h *Hub) WakeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for accountID := range h.waiting {
		h.wake(accountID)
	}
}

// Follow sets the function that is called with each account that has new events. It must
// not block. Call it before the hub is used.
func (h *Hub) Follow(changed func(accountID uuid.UUID)) { h.follow = changed }

func (h *Hub) wake(accountID uuid.UUID) {
	h.follow(accountID)
	for w := range h.waiting[accountID] {
		w.wake()
	}
}

// Announce announces the changes of this process to the other servers until ctx is done.
// If the announcement of a change fails, the others find the change when they poll.
func (h *Hub) Announce(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.news:
		}
		_ = h.announce(ctx, h.takeChanged())
		select {
		case <-ctx.Done():
			return
		case <-time.After(announceEvery):
		}
	}
}

func (h *Hub) takeChanged() []uuid.UUID {
	h.mu.Lock()
	defer h.mu.Unlock()
	accounts := slices.Collect(maps.Keys(h.changed))
	clear(h.changed)
	return accounts
}

const eventsNotify = `
SELECT pg_notify('` + Channel + `', payload)
FROM unnest($1::text[]) AS payload`

func (h *Hub) announce(ctx context.Context, accounts []uuid.UUID) error {
	var payloads []string
	for some := range slices.Chunk(accounts, accountsPerNotice) {
		payload := []byte(h.name)
		for _, id := range some {
			payload = id.Append(append(payload, ' '))
		}
		payloads = append(payloads, string(payload))
	}
	return h.db.Write(ctx, func(ctx context.Context, q db.Querier) error {
		_, err := q.Exec(ctx, eventsNotify, payloads)
		return err
	})
}

// Poll checks the accounts that have readers for new events once per interval, until ctx is
// done. It finds changes that no notification announced. Poll calls polled with the result
// of each check.
func (h *Hub) Poll(ctx context.Context, interval time.Duration, polled func(error)) {
	every := time.NewTicker(interval)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		if err := h.poll(ctx); ctx.Err() == nil {
			polled(err)
		}
	}
}

// feedsMoved returns the accounts among $1 whose feed has, or will have, events after the
// position in $2. If the feed ends at the position in $3, age is that of the oldest event
// without a position. PostgreSQL runs the subqueries for each account. With EXISTS, it
// could read the events of all other accounts first.
const feedsMoved = `
SELECT asked.account_id,
    CASE WHEN feed.last_position = asked.reached THEN extract(epoch FROM now() - unnumbered.occurred_at)::float8 END AS age
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS asked (account_id, position, reached)
CROSS JOIN LATERAL (
    SELECT coalesce((SELECT last_position FROM feeds WHERE feeds.account_id = asked.account_id), 0) AS last_position
) AS feed
LEFT JOIN LATERAL (
    SELECT occurred_at FROM events
    WHERE events.account_id = asked.account_id AND events.position IS NULL
    ORDER BY id LIMIT 1
) AS unnumbered ON true
WHERE unnumbered.occurred_at IS NOT NULL OR feed.last_position <> asked.position`

// movedFeed is a row of feedsMoved.
type movedFeed struct {
	AccountID uuid.UUID
	Age       *float64 // in seconds
}

func (h *Hub) poll(ctx context.Context) error {
	asked := h.ends()
	var moved []movedFeed
	if len(asked.accounts) > 0 {
		err := h.db.Read(ctx, func(ctx context.Context, q db.Querier) error {
			rows, err := q.Query(ctx, feedsMoved, asked.accounts, asked.positions, asked.reached)
			if err != nil {
				return err
			}
			moved, err = pgx.CollectRows(rows, pgx.RowToStructByPos[movedFeed])
			return err
		})
		if err != nil {
			return fmt.Errorf("poll feeds: %w", err)
		}
	}
	var lag float64
	for _, feed := range moved {
		lag = max(lag, db.OrZero(feed.Age))
	}
	h.lag.Store(int64(lag * float64(time.Second)))
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, feed := range moved {
		h.wake(feed.AccountID)
	}
	return nil
}

// Lag returns how far the feeds were behind at the last poll: the age of the oldest event
// without a position, among the accounts in which a reader of this process has read all
// events that have one. Accounts without readers do not count, because their events get
// positions only when somebody reads them.
func (h *Hub) Lag() time.Duration { return time.Duration(h.lag.Load()) }

// feedEnds are the accounts with readers. For each account, positions has the position up
// to which the reader that is furthest behind has read. reached has the position of the
// reader that is furthest ahead, or -1 if no reader has reached the end.
type feedEnds struct {
	accounts           []uuid.UUID
	positions, reached []int64
}

func (h *Hub) ends() (e feedEnds) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for accountID, readers := range h.waiting {
		position, reached := int64(math.MaxInt64), int64(-1)
		for w := range readers {
			position = min(position, w.position)
			if w.atEnd {
				reached = max(reached, w.position)
			}
		}
		e.accounts, e.positions, e.reached = append(e.accounts, accountID), append(e.positions, position), append(e.reached, reached)
	}
	return e
}
