package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	others       = 4 // accounts that send requests at a steady pace
	othersPeriod = time.Second / 60
	greedyKeys   = 5
	// everywhere is a user who is a member of every organization of the greedy account.
	everywhere = "everywhere"
)

// runShares measures only how accounts share a server with default limits: the service
// for other accounts while one account takes all it can.
func (b *bench) runShares(ctx context.Context, databaseURL string) (err error) {
	b.tenant.databaseURL = databaseURL
	if err := b.seed(ctx); err != nil {
		return err
	}
	if err := b.joinEverywhere(ctx); err != nil {
		return err
	}
	server, err := b.startOrgd(ctx, "shares.log", 10, "ORGD_RATE_LIMIT=100")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	neighbors, err := b.newNeighbors(ctx, server)
	if err != nil {
		return err
	}
	greedy, err := b.newGreedy(ctx, server)
	if err != nil {
		return err
	}
	b.printf("\n%d accounts with %d requests per second each (list, get, change, create), next to one that takes all it can; %d s for each case\n",
		others, time.Second/othersPeriod, b.seconds)
	for _, a := range []attack{
		{"alone", 0, nil},
		{"60 callers change one organization", 60, greedy.change},
		{"alone", 0, nil},
		{"40 callers list a user's deactivated organizations", 40, greedy.list},
		{"alone", 0, nil},
		{"5 keys with 200 requests each, whose bodies do not arrive", 200 * greedyKeys, greedy.stall},
		{"alone", 0, nil},
		{"40 callers who disconnect 3 ms after each request", 40, greedy.leave},
	} {
		if err := b.measureShare(ctx, neighbors, a); err != nil {
			return err
		}
	}
	return b.outErr
}

// joinEverywhere makes one user a member of all organizations, and deactivates one in a
// thousand. The member rows have the activity of their organization, as they would after calls
// to the API.
func (b *bench) joinEverywhere(ctx context.Context) error {
	for _, sql := range []string{
		`UPDATE orgs SET is_active = hashtext(org_id::text) % 1000 <> 0`,
		`INSERT INTO org_members (account_id, org_id, user_id, added_at, org_created_at, org_activity)
SELECT account_id, org_id, '` + everywhere + `', created_at, created_at, is_active::integer FROM orgs`,
	} {
		if err := execute(ctx, b.tenant.databaseURL, sql); err != nil {
			return err
		}
	}
	return b.vacuum(ctx)
}

// attack is the load of one account, from several concurrent callers. call sends one
// request and reports whether it succeeded.
type attack struct {
	name    string
	callers int
	call    func(ctx context.Context, caller int) bool
}

func (b *bench) measureShare(ctx context.Context, neighbors []*neighbor, a attack) error {
	progress("%s", a.name)
	attacking, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	var served atomic.Int64
	for caller := range a.callers {
		all.Go(func() {
			for attacking.Err() == nil {
				if a.call(attacking, caller) {
					served.Add(1)
				}
			}
		})
	}
	defer all.Wait()
	defer stop()
	time.Sleep(time.Second) // until the attack has started
	var got outcome
	before := served.Load()
	calls, callsCtx := errgroup.WithContext(ctx)
	for _, n := range neighbors {
		calls.Go(func() error { return n.call(callsCtx, &got, time.Duration(b.seconds)*time.Second) })
	}
	if err := calls.Wait(); err != nil {
		return err
	}
	b.printf("  %-54s %4d answers  %4d rejected  p50 %6.1f ms  p99 %7.1f ms; it gets %d\n", a.name,
		len(got.took), got.rejected, quantile(got.took, .5), quantile(got.took, .99), served.Load()-before)
	return nil
}

// outcome collects the responses that the neighbors get.
type outcome struct {
	mu       sync.Mutex
	took     []float64 // ms
	rejected int
}

func (o *outcome) note(status int, took time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.took = append(o.took, milliseconds(took))
	if status < 200 || status > 299 {
		o.rejected++
	}
}

// neighbor is another account, with one key and one organization.
type neighbor struct {
	client      *client
	all, single string // URLs
}

func (b *bench) newNeighbors(ctx context.Context, s *server) ([]*neighbor, error) {
	greedy := b.tenant
	defer func() { b.tenant = greedy }()
	neighbors := make([]*neighbor, others)
	for i := range neighbors {
		if err := b.createTenant(ctx); err != nil {
			return nil, err
		}
		c := newClient(b.tenant.key)
		single, err := c.create(ctx, s)
		if err != nil {
			return nil, err
		}
		neighbors[i] = &neighbor{client: c, all: "http://" + s.addr + "/v1/orgs", single: single}
	}
	return neighbors, nil
}

// create creates an organization and returns its URL.
func (c *client) create(ctx context.Context, s *server) (string, error) {
	orgs := "http://" + s.addr + "/v1/orgs"
	status, answer, err := c.do(ctx, http.MethodPost, orgs, `{"orgName":"Acme"}`)
	if err != nil || status != http.StatusCreated {
		return "", errors.Join(err, fmt.Errorf("create an organization: status %d\n%s", status, answer))
	}
	page, err := c.page(ctx, orgs+"?limit=1")
	if err != nil || len(page.Organizations) != 1 {
		return "", errors.Join(err, errors.New("the new organization is not listed"))
	}
	return orgs + "/" + page.Organizations[0].OrgID, nil
}

// call sends requests at a steady pace, each after the previous answer.
func (n *neighbor) call(ctx context.Context, got *outcome, length time.Duration) error {
	pace := time.NewTicker(othersPeriod)
	defer pace.Stop()
	end := time.Now().Add(length)
	for i := 0; time.Now().Before(end); i++ {
		<-pace.C
		kind := []struct{ method, url, body string }{
			{http.MethodGet, n.all, ""},
			{http.MethodGet, n.single, ""},
			{http.MethodPatch, n.single, fmt.Sprintf(`{"orgName":"Acme %d"}`, i)},
			{http.MethodPost, n.all, `{"orgName":"New"}`},
		}[i%4]
		begun := time.Now()
		status, _, err := n.client.do(ctx, kind.method, kind.url, kind.body)
		if err != nil {
			return err
		}
		got.note(status, time.Since(begun))
	}
	return nil
}

// greedy is the account that takes all it can.
type greedy struct {
	clients      []*client
	addr, single string
}

func (b *bench) newGreedy(ctx context.Context, s *server) (*greedy, error) {
	g := &greedy{addr: s.addr}
	for range greedyKeys {
		var key struct{ Key string }
		if err := b.operateJSON(ctx, &key, "keys", "create", "--account", b.tenant.accountID,
			"--description", "greedy", "--scope", "orgs:read", "--scope", "orgs:write", "--json"); err != nil {
			return nil, err
		}
		g.clients = append(g.clients, newClient(key.Key))
	}
	var err error
	g.single, err = g.clients[0].create(ctx, s)
	return g, err
}

func (g *greedy) client(caller int) *client { return g.clients[caller%len(g.clients)] }

// send sends one request. It waits after a rejection, because otherwise the load
// generator itself would use up the processor.
func (g *greedy) send(ctx context.Context, caller int, method, url, body string) bool {
	status, _, err := g.client(caller).do(ctx, method, url, body)
	served := err == nil && status == http.StatusOK
	if !served {
		sleep(ctx, 20*time.Millisecond)
	}
	return served
}

func (g *greedy) change(ctx context.Context, caller int) bool {
	return g.send(ctx, caller, http.MethodPatch, g.single, fmt.Sprintf(`{"orgName":"Acme %d"}`, time.Now().UnixNano()))
}

func (g *greedy) list(ctx context.Context, caller int) bool {
	return g.send(ctx, caller, http.MethodGet, "http://"+g.addr+"/v1/orgs?isActive=false&userId="+everywhere, "")
}

// stall starts a request, sends no body, and waits until it is rejected.
func (g *greedy) stall(ctx context.Context, caller int) bool {
	conn, err := net.Dial("tcp", g.addr)
	if err != nil {
		sleep(ctx, time.Second)
		return false
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v1/orgs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n", g.client(caller).key)
	var one [1]byte
	_, _ = conn.Read(one[:])  // any answer ends this request
	sleep(ctx, 2*time.Second) // otherwise this would measure a flood of connections
	return false
}

// leave disconnects while the server works on the request: no organization has the name,
// so 2,500 are looked up.
func (g *greedy) leave(ctx context.Context, caller int) bool {
	const stay = 3 * time.Millisecond
	staying, cancel := context.WithTimeout(ctx, stay)
	defer cancel()
	served := g.send(staying, caller, http.MethodGet, "http://"+g.addr+"/v1/orgs?orgName=zzyzx&userId="+everywhere, "")
	if !served {
		sleep(ctx, 20*time.Millisecond) // send has not waited, because staying had ended
	}
	return served
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
