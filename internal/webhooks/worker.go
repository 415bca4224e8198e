package webhooks

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"orgd/internal/events"
	"orgd/internal/uuid"
)

// The defaults of WorkerConfig.
const (
	defaultConcurrency = 256
	defaultPoll        = time.Second
	defaultLife        = 5 * time.Second
	defaultLinger      = 2 * time.Second
	defaultSave        = 200 * time.Millisecond
	defaultGrace       = 5 * time.Second
	defaultTurn        = time.Second
)

const (
	// candidatesAtOnce is the maximum number of endpoints that one statement returns.
	candidatesAtOnce = 1000
	// lookAtOnce is how many endpoints each poll checks for events that were not announced.
	lookAtOnce = 500
	// collectEvery is the shortest time between two statements that look for endpoints of
	// accounts with new events.
	collectEvery = 50 * time.Millisecond
	// storeLimit is how long a statement of the worker may take.
	storeLimit = 3 * time.Second
)

// WorkerConfig configures a Worker. Logger and Observer are required. Zero values of the
// other fields mean the defaults, which only tests change, except for Concurrency.
type WorkerConfig struct {
	Logger      *slog.Logger
	Observer    Observer
	Concurrency int // endpoints to which the worker delivers at once

	Poll    time.Duration // between two searches for endpoints to try
	Life    time.Duration // the length of a worker's lease, which it must renew to keep its endpoints
	Linger  time.Duration // how long the worker keeps an endpoint that has received all events
	Save    time.Duration // between two stores of the progress of an endpoint
	Grace   time.Duration // how long attempts may last when the worker stops
	Turn    time.Duration // how long an endpoint keeps its slot, at least, if others wait for one
	Backoff func(failures int) time.Duration
	GiveUp  time.Duration // how long an endpoint may fail
	// GiveUpFailures is how many attempts of an endpoint must also fail in a row.
	GiveUpFailures int
}

// Observer receives the figures for the metrics.
type Observer interface {
	// ObserveAttempt counts an attempt and records how long it took. result is
	// "delivered" or a Failure.
	ObserveAttempt(result string, took time.Duration)
	// ObserveGivenUp counts an endpoint that the worker disabled. reason is a Reason.
	ObserveGivenUp(reason string)
}

// delivered is the result of a successful attempt for an Observer.
const delivered = "delivered"

// Worker delivers the events of all accounts to their endpoints, together with the workers
// of other servers.
type Worker struct {
	cfg   WorkerConfig
	store *Repository
	hub   *events.Hub
	id    uuid.UUID

	mu         sync.Mutex
	running    map[uuid.UUID]*delivery // by endpoint
	held       map[uuid.UUID]int       // endpoints in running by account
	failing    int                     // endpoints in running that failed before
	changed    map[uuid.UUID]bool      // accounts with new events
	working    context.Context         // done when the worker has stopped
	lease      context.Context         // done when the worker is no longer sure of its leases
	endLease   context.CancelFunc
	aliveUntil time.Time

	bell       chan struct{} // has a message if changed is not empty
	stopping   chan struct{}
	deliveries sync.WaitGroup
	looked     candidate   // the last endpoint that the poll looked at
	crowded    atomic.Bool // an endpoint found no free slot
	reports    *reporter
}

// NewWorker returns a worker. It learns of new events from the hub.
func NewWorker(store *Repository, hub *events.Hub, cfg WorkerConfig) *Worker {
	cfg.Concurrency = cmp.Or(cfg.Concurrency, defaultConcurrency)
	cfg.Poll = cmp.Or(cfg.Poll, defaultPoll)
	cfg.Life = cmp.Or(cfg.Life, defaultLife)
	cfg.Linger = cmp.Or(cfg.Linger, defaultLinger)
	cfg.Save = cmp.Or(cfg.Save, defaultSave)
	cfg.Grace = cmp.Or(cfg.Grace, defaultGrace)
	cfg.Turn = cmp.Or(cfg.Turn, defaultTurn)
	cfg.GiveUp = cmp.Or(cfg.GiveUp, giveUpAfter)
	cfg.GiveUpFailures = cmp.Or(cfg.GiveUpFailures, giveUpFailures)
	if cfg.Backoff == nil {
		cfg.Backoff = backoff
	}
	return &Worker{
		cfg: cfg, store: store, hub: hub, id: uuid.NewV7(),
		running: map[uuid.UUID]*delivery{}, held: map[uuid.UUID]int{}, changed: map[uuid.UUID]bool{},
		bell: make(chan struct{}, 1), stopping: make(chan struct{}), reports: newReporter(cfg.Logger),
	}
}

// Wake reports that an account has new events. It never blocks.
func (w *Worker) Wake(accountID uuid.UUID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changed[accountID] = true
	select {
	case w.bell <- struct{}{}:
	default:
	}
}

// Run delivers until ctx is done. Then it gives the attempts in progress some time to
// finish, stores what was delivered, and leaves the endpoints to other workers.
func (w *Worker) Run(ctx context.Context) {
	working, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	w.working = working
	w.newLease()
	beating := make(chan struct{})
	go func() {
		defer close(beating)
		w.beat(working)
	}()
	w.look(ctx)
	close(w.stopping)
	impatient := time.AfterFunc(w.cfg.Grace, end)
	w.deliveries.Wait()
	impatient.Stop()
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeLimit)
	defer cancel()
	if err := w.store.forget(limited, w.id); err != nil {
		w.cfg.Logger.Warn("could not release this server's webhook lease; other servers take over when the lease expires", "error", err)
	}
	end()
	<-beating
}

// look starts deliveries until ctx is done.
func (w *Worker) look(ctx context.Context) {
	poll := time.NewTicker(w.cfg.Poll)
	defer poll.Stop()
	w.poll(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-poll.C:
			w.poll(ctx)
		case <-w.bell:
			w.collect(ctx)
			select {
			case <-ctx.Done():
				return
			case <-time.After(collectEvery):
			}
		}
	}
}

// The tasks of the loop. If collect fails, the poll finds the endpoints later.
var (
	lookForWebhooks = task{name: "look for webhooks to deliver", consequence: "could not look for webhooks with new events, so no new deliveries are starting; retrying"}
	lookForChanges  = task{name: "look for the webhooks of accounts with new events", consequence: "could not look for the webhooks of accounts with new events; those events will be delivered late"}
)

// poll looks for endpoints whose next attempt is due, for the endpoints of dead workers,
// and for some endpoints with new events that no notification announced.
func (w *Worker) poll(ctx context.Context) {
	w.attempt(ctx, lookForWebhooks, func(ctx context.Context) error {
		found, err := w.store.due(ctx, w.id, w.cfg.Life, candidatesAtOnce)
		if err != nil {
			return err
		}
		behind, last, err := w.store.behind(ctx, w.looked, lookAtOnce)
		if err != nil {
			return err
		}
		w.looked = last
		w.crowded.Store(false)
		// Endpoints that wait for a slot come before those that have given one up, which are
		// due again.
		return w.startAll(ctx, slices.Concat(behind, found))
	})
}

// collect starts deliveries for the accounts that Wake was called with.
func (w *Worker) collect(ctx context.Context) {
	accounts := w.takeChanged()
	w.attempt(ctx, lookForChanges, func(ctx context.Context) error {
		found, err := w.store.waiting(ctx, accounts, candidatesAtOnce)
		if err != nil {
			return err
		}
		return w.startAll(ctx, found)
	})
}

// attempt runs a task of the loop.
func (w *Worker) attempt(ctx context.Context, t task, run func(context.Context) error) {
	limited, cancel := context.WithTimeout(ctx, storeLimit)
	defer cancel()
	if err := run(limited); ctx.Err() == nil {
		w.reports.report(t, err)
	}
}

func (w *Worker) takeChanged() []uuid.UUID {
	w.mu.Lock()
	defer w.mu.Unlock()
	accounts := slices.Collect(maps.Keys(w.changed))
	clear(w.changed)
	return accounts
}

func (w *Worker) startAll(ctx context.Context, found []candidate) error {
	if len(found) == 0 {
		return nil
	}
	if err := w.ensureAlive(ctx); err != nil {
		return err
	}
	for _, c := range found {
		w.start(c)
	}
	return nil
}

// start delivers to an endpoint if a slot is free. Otherwise a later poll finds it again.
func (w *Worker) start(c candidate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running[c.id] != nil {
		return
	}
	if !w.hasRoom(c) {
		w.crowded.Store(true)
		return
	}
	d := &delivery{w: w, candidate: c, begun: time.Now()}
	w.running[c.id] = d
	w.held[c.accountID]++
	if c.failures > 0 {
		w.failing++
	}
	lease := w.lease
	w.deliveries.Go(func() {
		missed := d.run(lease)
		w.end(d)
		if missed {
			w.Wake(c.accountID)
		}
	})
}

// hasRoom reports whether the worker may deliver to this endpoint too. An account gets at
// most half of the slots, and so do all failing endpoints together, because an endpoint
// that does not respond holds its slot for a long time. The caller holds mu.
func (w *Worker) hasRoom(c candidate) bool {
	free := w.cfg.Concurrency - len(w.running)
	if c.failures > 0 && w.failing >= (w.cfg.Concurrency+1)/2 {
		return false
	}
	return free > 0 && (w.held[c.accountID] == 0 || w.held[c.accountID] < free)
}

func (w *Worker) end(d *delivery) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.running, d.id)
	if w.held[d.accountID]--; w.held[d.accountID] == 0 {
		delete(w.held, d.accountID)
	}
	if d.failures > 0 {
		w.failing--
	}
}

// Running returns the number of endpoints to which the worker is delivering.
func (w *Worker) Running() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.running)
}
