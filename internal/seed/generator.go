package seed

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"time"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// The period in which the organizations were created, in microseconds since 1970.
var (
	windowStart = time.Date(2022, time.January, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	windowEnd   = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
)

// Each kind of choice has its own stream of random numbers, so it does not depend on the
// other kinds. For example, the members depend on the organization's id, but not on its
// name.
const (
	streamCreated = iota
	streamPlace
	streamContent
	streamMembers
	streams
)

// A generator makes organizations. Each organization is a pure function of the options
// and its index. The generator holds only what the organizations share.
type generator struct {
	orgs    int64
	members int64
	spacing int64 // microseconds from one organization to the next

	orgSeed  uint64
	userSeed uint64 // does not depend on Orgs, so that runs of different sizes have the same users
}

func newGenerator(o Options) generator {
	users := mix(mix(mix(o.Seed)+binary.BigEndian.Uint64(o.Account[:8])) + binary.BigEndian.Uint64(o.Account[8:]))
	return generator{
		orgs:     int64(o.Orgs),
		members:  int64(o.Members),
		spacing:  (windowEnd - windowStart) / max(int64(o.Orgs), 1),
		orgSeed:  mix(users + uint64(o.Orgs)),
		userSeed: users,
	}
}

// stream returns one of the streams of organization i.
func (g *generator) stream(kind, i int64) rng {
	return rng(g.orgSeed + mix(uint64(i*streams+kind)))
}

// place is the part of an organization on which its members depend.
type place struct {
	id        uuid.UUID
	createdAt int64 // microseconds since 1970, like all times here
	updatedAt int64
	isActive  bool
}

func (g *generator) place(i int64) place {
	r := g.stream(streamPlace, i)
	p := place{createdAt: g.createdAt(i)}
	// The id is drawn first, so it stays the same if a release changes the rest. A second
	// run then finds the existing rows.
	p.id = r.uuidV7(p.createdAt)
	p.isActive = r.percent(92)
	p.updatedAt = p.createdAt
	if !p.isActive || r.percent(60) {
		p.updatedAt += 1 + r.below(windowEnd-p.createdAt)
	}
	return p
}

// createdAt increases with i. One in 50 organizations has the same time as the previous one,
// as if one transaction had created both.
func (g *generator) createdAt(i int64) int64 {
	for {
		r := g.stream(streamCreated, i)
		if i == 0 || !r.percent(2) {
			return windowStart + i*g.spacing + r.below(g.spacing)
		}
		i--
	}
}

// org is a row of the table orgs, without the columns that are equal in all rows.
type org struct {
	place
	name      string
	folded    string
	metadata  []byte
	userCount int64
	createdBy *string // a user, or nil
}

// make fills o with organization i. It reuses the memory of o's metadata.
func (g *generator) make(i int64, o *org) {
	r := g.stream(streamContent, i)
	var name [128]byte
	o.place = g.place(i)
	o.name = string(appendName(name[:0], &r))
	o.folded = orgs.Fold(o.name)
	o.metadata = appendMetadata(o.metadata[:0], &r)
	o.userCount = g.userCount(i)
	o.createdBy = nil
	if r.below(3) == 0 {
		user := g.user(r.skewed(MaxMembers))
		o.createdBy = &user
	}
}

// MaxMembers is the number of users of a seeded account, and therefore the largest number
// of members of an organization. It is a power of two, as membership requires.
const MaxMembers = 1 << 14

// user returns the id of user n. The time in the id is in the year before the first
// organization.
func (g *generator) user(n int64) string {
	const year = 365 * 24 * 3600 * 1_000_000
	r := rng(g.userSeed + mix(uint64(n)))
	joined := windowStart - r.below(year)
	id := r.uuidV7(joined)
	return "usr_" + hex.EncodeToString(id[:])
}

func (g *generator) userCount(i int64) int64 {
	r := g.stream(streamMembers, i)
	return r.below(g.members + 1)
}

// A membership iterates over the users of one organization. It starts at a random user
// and advances by a fixed odd number of users. Because the number of users is a power of
// two, this returns every user once before it repeats one, without remembering which users
// it has returned.
type membership struct {
	place
	r    rng
	left int64
	user int64
	step int64

	// Each user is added in a different time slot, because added_at is unique.
	slotFrom, slot int64
}

func (g *generator) membership(i int64) membership {
	r := g.stream(streamMembers, i)
	m := membership{place: g.place(i), left: r.below(g.members + 1)}
	m.user = r.skewed(MaxMembers)
	m.step = 1 + 2*r.below(64)
	m.slotFrom = m.createdAt + 1
	m.slot = max((m.updatedAt-m.createdAt)/max(m.left, 1), 1)
	m.r = r
	return m
}

// next returns the number of the next user and the time at which the user was added. The
// caller must check that left is not 0.
func (m *membership) next() (user, addedAt int64) {
	user = m.user
	addedAt = m.slotFrom + m.r.below(m.slot)
	m.slotFrom += m.slot
	m.user = (m.user + m.step) % MaxMembers
	m.left--
	return user, addedAt
}

// fields are metadata that a customer's systems might attach. The values are ASCII
// without quotes and backslashes, so they need no escaping in JSON.
var fields = [...]struct {
	key    string
	prefix string   // before a number, for a field without values
	values []string // the value is one of these
}{
	{key: "plan", values: []string{"free", "starter", "team", "business", "enterprise"}},
	{key: "region", values: []string{
		"us-east-1", "us-west-2", "ca-central-1", "sa-east-1", "eu-central-1", "eu-west-1",
		"eu-north-1", "ap-northeast-1", "ap-southeast-2", "ap-south-1",
	}},
	{key: "industry", values: []string{
		"agriculture", "automotive", "banking", "construction", "education", "energy", "food",
		"government", "healthcare", "hospitality", "insurance", "legal", "logistics",
		"manufacturing", "media", "nonprofit", "real-estate", "retail", "software", "telecom",
	}},
	{key: "crm_id", prefix: "CRM-"},
	{key: "cost_center", prefix: "CC-"},
	{key: "tier", values: []string{"bronze", "silver", "gold", "platinum"}},
}

// appendMetadata appends a JSON object. It is empty for a quarter of the organizations;
// the others have at least one of the fields.
func appendMetadata(b []byte, r *rng) []byte {
	if r.percent(25) {
		return append(b, "{}"...)
	}
	chosen := 1 + r.below(1<<len(fields)-1) // one bit per field
	b = append(b, '{')
	for i := range fields {
		if chosen&(1<<i) == 0 {
			continue
		}
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = appendField(b, i, r)
	}
	return append(b, '}')
}

func appendField(b []byte, i int, r *rng) []byte {
	f := &fields[i]
	b = append(b, '"')
	b = append(b, f.key...)
	b = append(b, `":"`...)
	if f.values != nil {
		b = append(b, r.pick(f.values)...)
	} else {
		b = append(b, f.prefix...)
		b = strconv.AppendInt(b, 1000+r.skewed(9_999_000), 10)
	}
	return append(b, '"')
}
