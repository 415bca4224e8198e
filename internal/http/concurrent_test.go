package http_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// crowd is an account that many clients change and read concurrently. All answers are
// recorded, and compared with the audit trail at the end. The events of an organization,
// in order, are its history. Each answer must match a state that the organization had
// during the call.
type crowd struct {
	*api
	t        *testing.T
	account  *modelAccount
	shared   []string        // organizations that all clients change
	resident map[string]bool // members that no client removes
	stable   map[string]bool // organizations that no client changes

	mu      sync.Mutex
	calls   map[string]call // by request id
	sighted []sighting

	consumers []*consumer
}

// call is a change and its answer.
type call struct {
	change
	answer
	since, until int // the versions that the client read before and after the call
}

// sighting is an organization in an answer. tag is empty if the answer is a list.
type sighting struct {
	organization
	tag string
}

const (
	crowdClients = 6
	crowdRounds  = 60
	crowdShared  = 5
	crowdStable  = 20
)

func TestConcurrentClients(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	c.run()
	c.compare()
	for _, consumer := range c.consumers {
		consumer.follow(t, c.api, c.account.manager().key, all)
		orgs, keys := c.listed(t, c.account.manager().key)
		consumer.isAt(t, orgs, keys)
	}
}

// run makes the writes. Until they end, other clients walk the lists.
func (c *crowd) run() {
	finished := make(chan struct{})
	var walkers sync.WaitGroup
	for n, query := range []string{"limit=4", "limit=7&orgName=STABLE", "limit=5&isActive=true"} {
		walkers.Go(func() { c.walk(query, c.shared[n], finished) })
	}
	for n := range 4 {
		consumer := newConsumer()
		c.consumers = append(c.consumers, consumer)
		walkers.Go(func() { c.consume(consumer, n, finished) })
	}
	defer walkers.Wait()
	defer close(finished)
	seed := rand.Uint64()
	c.t.Logf("seed %d", seed)
	c.write(rand.New(rand.NewPCG(seed, 0)))
}

// consume follows the feed until all calls are made. Consumer 0 starts at the beginning of
// the feed. The others start from the lists, after some of the calls.
func (c *crowd) consume(consumer *consumer, n int, finished <-chan struct{}) {
	key := c.account.manager().key
	if n > 0 {
		c.awaitCalls(n*crowdRounds*crowdClients/4, finished)
		consumer.cursor = c.feed(c.t, key, "now", 1).Cursor
		consumer.begin(c.t, c.api, key)
		consumer.readMembers(c.t, c.api, key)
	}
	for {
		select {
		case <-finished:
			return
		default:
			consumer.follow(c.t, c.api, key, 5*(1+n))
			time.Sleep(5 * time.Millisecond) // leaves the CPU to the clients
		}
	}
}

// awaitCalls waits until the clients have made n calls, or all.
func (c *crowd) awaitCalls(n int, finished <-chan struct{}) {
	made := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.calls)
	}
	for made() < n {
		select {
		case <-finished:
			return
		case <-time.After(time.Millisecond):
		}
	}
}

func newCrowd(t *testing.T) *crowd {
	a := newAPI(t)
	a.shapes = &shapes{}
	m := newModel(a, t) // has an account with two clients, and a second account
	c := &crowd{
		api: a, t: t, account: m.accounts[0], resident: map[string]bool{}, stable: map[string]bool{},
		calls: map[string]call{},
	}
	foreign := "Stable"
	c.send(change{op: "create", by: m.clients[2], orgName: &foreign, requestID: "foreign"})
	for i := range crowdStable + crowdShared {
		name := fmt.Sprint("Stable ", i)
		if i%crowdShared == 0 { // so that the shared ones are spread over the list
			name = fmt.Sprint("Shared ", i)
		}
		requestID := fmt.Sprint("made-", i)
		c.attempt(call{change: change{op: "create", by: c.account.clients[0], orgName: &name, requestID: requestID}})
		id := c.calls[requestID].organization(t, 201).OrgID
		if i%crowdShared == 0 {
			c.shared = append(c.shared, id)
		} else {
			c.stable[id] = true
		}
	}
	for i := range 4 {
		user := fmt.Sprintf("usr_%032x", 0xff00+i)
		c.resident[user] = true
		for _, id := range c.shared {
			c.attempt(c.prepare(change{op: "add", by: c.account.clients[0], orgID: id, userID: user, requestID: user[30:] + id}))
		}
	}
	return c
}

func (c *crowd) send(ch change) answer {
	return c.doAs(c.t, operations[ch.op].method, ch.path(), ch.body(c.t), ch.headers()...)
}

// write makes the calls in rounds. The calls of a round are concurrent and mostly about
// the same objects, because they would rarely conflict otherwise.
func (c *crowd) write(r *rand.Rand) {
	for round := range crowdRounds {
		about := subjects[round%len(subjects)]
		about.orgID = pick(r, c.shared...)
		var all []call
		for n := range crowdClients {
			ch := c.draw(r, about)
			ch.requestID = fmt.Sprintf("call-%d-%d", round, n)
			if r.IntN(4) == 0 && ch.op != "remove" {
				ch.key = ch.requestID
			}
			all = append(all, c.prepare(ch))
		}
		var calls sync.WaitGroup
		for _, made := range all {
			calls.Go(func() { c.attempt(made) })
		}
		calls.Wait()
	}
}

// subject is what the calls of a round are about.
type subject struct {
	ops          []string
	names, users int // how many of each the calls choose from
	orgID        string
}

var subjects = []subject{
	{ops: []string{"create", "update", "deactivate", "reactivate", "add", "remove"}, names: 4, users: 3},
	{ops: []string{"deactivate", "reactivate"}},
	{ops: []string{"update"}, names: 2},
	{ops: []string{"add", "add", "remove", "deactivate", "reactivate"}, users: 1},
}

func (c *crowd) draw(r *rand.Rand, about subject) change {
	ch := change{by: pick(r, c.account.clients...), op: pick(r, about.ops...)}
	ch.user = pick(r, ch.by.users...)
	if ch.op != "create" {
		ch.orgID = about.orgID
		if r.IntN(8) == 0 {
			ch.orgID = pick(r, c.shared...)
		}
	}
	switch ch.op {
	case "create", "update":
		name, metadata := fmt.Sprint("Restless ", r.IntN(about.names)), pick(r, append(modelMetadata, nil)...)
		// Usually set only one of the two fields, so that the comparison finds a change
		// of one that affects the other.
		if ch.op == "create" || r.IntN(3) > 0 {
			ch.orgName = &name
		}
		if ch.orgName == nil || r.IntN(3) == 0 && ch.op == "update" {
			ch.metadata = &metadata
		}
	case "add", "remove":
		ch.userID = fmt.Sprintf("usr_%032x", 1+r.IntN(about.users))
	}
	if ch.op != "create" && ch.userID == "" && r.IntN(4) == 0 {
		ch.match = "since" // prepare replaces it with the tag that it reads
	}
	return ch
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// prepare reads the organization before the call, and completes the call.
func (c *crowd) prepare(ch change) call {
	made := call{change: ch}
	if ch.op != "create" {
		made.since = c.version(ch)
	}
	if ch.match != "" {
		made.match = fmt.Sprintf(`"%d"`, made.since)
	}
	return made
}

// attempt makes the call, and repeats it if it has an Idempotency-Key. It then reads the
// organization again, unless the call creates one.
func (c *crowd) attempt(made call) {
	made.answer = c.send(made.change)
	if made.key != "" {
		again := made.change
		again.requestID += "-again"
		isReplay(c.t, firstCall{answer: made.answer}, c.send(again))
	}
	if made.op != "create" {
		made.until = c.version(made.change)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[made.requestID] = made
}

// version reads the organization and returns its current version.
func (c *crowd) version(ch change) int {
	got := c.call(c.t, http.MethodGet, "/v1/orgs/"+ch.orgID, "Authorization", "Bearer "+ch.by.key)
	seen := sighting{organization: got.organization(c.t, 200), tag: got.header.Get("ETag")}
	c.sight(seen)
	version, err := strconv.Atoi(strings.Trim(seen.tag, `"`))
	if err != nil {
		c.t.Fatal(err)
	}
	return version
}

func (c *crowd) sight(seen ...sighting) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sighted = append(c.sighted, seen...)
}

// walk repeatedly walks the organizations and the members of one organization, until the
// writes end.
// Each walk must see every entry that no client changes exactly once.
func (c *crowd) walk(query, shared string, finished <-chan struct{}) {
	for running := true; running; {
		select {
		case <-finished:
			running = false // the last walk
		default:
		}
		entries := c.entries("/v1/orgs?"+query, readOrgs)
		c.seesAll(entries, c.stable)
		for _, e := range entries {
			c.sight(sighting{organization: e.org})
		}
		c.seesAll(c.entries("/v1/orgs/"+shared+"/users?limit=2", readMembers), c.resident)
	}
}

func (c *crowd) entries(target string, read func(testing.TB, answer) ([]entry, string)) (all []entry) {
	for next := target; ; {
		entries, cursor := read(c.t, c.call(c.t, http.MethodGet, next, "Authorization", "Bearer "+c.account.clients[0].key))
		all = append(all, entries...)
		if cursor == "" {
			return all
		}
		next = target + "&cursor=" + cursor
	}
}

func (c *crowd) seesAll(entries []entry, untouched map[string]bool) {
	seen := 0
	for i, e := range entries {
		if i > 0 && !(&walk{}).precedes(entries[i-1].position, e.position) {
			c.t.Fatalf("%v came after %v", e.position, entries[i-1].position)
		}
		if untouched[e.id] {
			seen++ // the strict order excludes duplicates
		}
	}
	if seen != len(untouched) {
		c.t.Fatalf("a walk saw %d of the %d unchanged entries", seen, len(untouched))
	}
}

// compare checks all recorded answers against the histories in the audit trail.
func (c *crowd) compare() {
	histories := map[string][]state{}
	recorded := map[string]moment{}
	for id, events := range c.trails(c.t, c.account.id) {
		histories[id] = replay(c.t, id, events)
		for i, e := range events {
			if _, twice := recorded[e.RequestID]; twice || c.calls[e.RequestID].op == "" {
				c.t.Errorf("%+v of %s: recorded twice, or without a call", e.action, id)
			}
			recorded[e.RequestID] = moment{event: e, orgID: id, version: i + 1}
		}
		c.endsAs(id, histories[id])
	}
	for _, seen := range c.sighted {
		c.isMoment(seen, histories[seen.OrgID])
	}
	for id, made := range c.calls {
		if fault := made.fault(c.t, recorded[id], histories); fault != "" {
			c.t.Errorf("%s %s %s, If-Match %s, %s: %d %s: %s; the version was %d before the call and %d after it", made.op, made.orgID, made.change.body(c.t), made.match, id,
				made.status, made.answer.body, fault, made.since, made.until)
		}
	}
}

// moment is an event, its organization, and the version that the event made.
type moment struct {
	event
	orgID   string
	version int
}

// endsAs checks that the organization and its members are now as the last event left
// them.
func (c *crowd) endsAs(id string, history []state) {
	last := history[len(history)-1]
	ch := change{orgID: id, by: c.account.clients[0]}
	if version := c.version(ch); version != len(history) {
		c.t.Errorf("%s has version %d after %d events", id, version, len(history))
	}
	listed := map[string]string{}
	for _, e := range c.entries("/v1/orgs/"+id+"/users?limit=100", readMembers) {
		listed[e.id] = strings.Join(e.roles, ",")
	}
	if diff := cmp.Diff(last.members, listed); diff != "" {
		c.t.Errorf("members of %s (-as recorded +listed):\n%s", id, diff)
	}
}

// isMoment checks that the served organization equals a state of its history in every
// field. updatedAt identifies the state, because it increases with every change.
func (c *crowd) isMoment(seen sighting, history []state) {
	at := slices.IndexFunc(history, func(s state) bool { return s.UpdatedAt == seen.UpdatedAt })
	if at < 0 {
		c.t.Errorf("an organization was served in a state that it never had: %+v", seen)
		return
	}
	if diff := cmp.Diff(history[at].organization, seen.organization); diff != "" || seen.tag != "" && seen.tag != fmt.Sprintf(`"%d"`, at+1) {
		c.t.Errorf("served with tag %s at version %d (-as recorded +served):\n%s", seen.tag, at+1, diff)
	}
}

// fault returns "" if the answer is right for some state between the two reads, and the
// audit trail has the effect of the call, if any, exactly once. Otherwise it returns what
// is wrong.
func (m call) fault(t testing.TB, recorded moment, histories map[string][]state) string {
	switch {
	case recorded.version != 0 && m.status >= 300:
		return "the call was rejected but changed something"
	case m.op == "create" && recorded.version != 1:
		return "the call is not the organization's first event in the audit trail"
	case m.op == "create":
		return m.differs(t, histories[recorded.orgID], 1)
	case recorded.version == 0:
		return m.noEffect(t, histories[m.orgID])
	case recorded.orgID != m.orgID || recorded.version <= m.since || recorded.version > m.until:
		return fmt.Sprintf("the audit trail has the call at the wrong organization or version: version %d of %s", recorded.version, recorded.orgID)
	}
	history := histories[m.orgID]
	o := history[recorded.version-2].model(recorded.version - 1)
	code := m.apply(o)
	after := history[recorded.version-1]
	o.UpdatedAt = after.UpdatedAt
	if code != "" || o.version != recorded.version || !cmp.Equal(o.organization, after.organization) {
		return fmt.Sprintf("the call should have made %+v, or been rejected with %q; the audit trail has %+v", o.organization, code, after.organization)
	}
	return m.differs(t, history, recorded.version)
}

// noEffect returns "" if, in some state during the call, the call would have changed
// nothing and its answer would have been right.
func (m call) noEffect(t testing.TB, history []state) string {
	want := ""
	if m.status >= 300 {
		want = m.problem(t).Code
	}
	for version := m.since; version <= m.until; version++ {
		o := history[version-1].model(version)
		if m.apply(o) == want && o.version == version && m.differs(t, history, version) == "" {
			return ""
		}
	}
	return "the audit trail has no change, but the answer was not right for any state during the call"
}

// differs compares an answer that contains the organization with one version of it.
func (m call) differs(t testing.TB, history []state, version int) string {
	if m.status >= 300 || m.userID != "" {
		return ""
	}
	served := m.answer.organization(t, map[bool]int{true: 201, false: 200}[m.op == "create"])
	if tag := m.header.Get("ETag"); tag != fmt.Sprintf(`"%d"`, version) {
		return "ETag " + tag
	}
	return cmp.Diff(history[version-1].organization, served)
}

// model converts the state into the form of the model.
func (s state) model(version int) *modelOrg {
	o := &modelOrg{organization: s.organization, version: version, members: map[string]time.Time{}, roles: map[string][]string{}}
	for user, roles := range s.members {
		o.members[user] = time.Time{}
		if roles != "" {
			o.roles[user] = strings.Split(roles, ",")
		}
	}
	return o
}
