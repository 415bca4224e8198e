package events

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// Channel is the channel on which servers report to each other which accounts have new
// events. The payload is the sender's name and the ids of the accounts.
const Channel = "orgd_events"

const (
	// announceEvery is how often a server announces changes. NOTIFY takes a lock of the
	// whole database until its transaction commits, so it is never part of a change, and
	// one covers many changes.
	announceEvery = 20 * time.Millisecond
	// accountsPerNotice is how many ids fit into the payload, which is less than 8000 bytes.
	accountsPerNotice = 200
	// PollEvery is how often the database is asked about accounts with waiting readers, in
	// case a notification was lost or a change was made by hand.
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
}

// NewHub returns a hub without readers.
func NewHub(pool *db.Pool) *Hub {
	var random [8]byte
	rand.Read(random[:]) // never returns an error: it ends the program instead
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
}

// Wait registers a reader. Register before reading, and wait only after having read to the
// end of the feed: an event in between is then not missed. The caller must call Close.
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

// Woken returns a channel that gets a message when there may be events after the position,
// to which the reader has read.
func (w *Waiter) Woken(position int64) <-chan struct{} {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	w.position = position
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

// Announce announces the changes of this process to the others until ctx is done. A change
// that cannot be announced is found by the others' polls.
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

// Poll looks at each interval for new events of the accounts that have readers, until ctx
// is done. It is for changes of which no notification came. polled is called with the result of each poll.
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
// position in $2. PostgreSQL runs the subqueries for each account: with EXISTS, it could
// read the events of all others first.
const feedsMoved = `
SELECT asked.account_id
FROM unnest($1::uuid[], $2::bigint[]) AS asked (account_id, position)
WHERE (SELECT id FROM events WHERE events.account_id = asked.account_id AND events.position IS NULL ORDER BY id LIMIT 1) IS NOT NULL
   OR (SELECT last_position FROM feeds WHERE feeds.account_id = asked.account_id) <> asked.position`

func (h *Hub) poll(ctx context.Context) error {
	accounts, positions := h.behind()
	if len(accounts) == 0 {
		return nil
	}
	var moved []uuid.UUID
	err := h.db.Read(ctx, func(ctx context.Context, q db.Querier) error {
		rows, err := q.Query(ctx, feedsMoved, accounts, positions)
		if err != nil {
			return err
		}
		moved, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
	if err != nil {
		return fmt.Errorf("poll feeds: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, accountID := range moved {
		h.wake(accountID)
	}
	return nil
}

// behind returns the accounts with readers, and for each the position of the reader that
// is furthest behind.
func (h *Hub) behind() (accounts []uuid.UUID, positions []int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for accountID, readers := range h.waiting {
		first := true
		var position int64
		for w := range readers {
			if first || w.position < position {
				position = w.position
			}
			first = false
		}
		accounts, positions = append(accounts, accountID), append(positions, position)
	}
	return accounts, positions
}
