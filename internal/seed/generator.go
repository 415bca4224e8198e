package seed

import (
	"encoding/binary"
	"time"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// The period in which the organizations were created, in microseconds since 1970.
var (
	windowStart = time.Date(2022, time.January, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	windowEnd   = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
)

// Each kind of choice has its own stream of numbers and does not depend on the others:
// members need the organization's id, but not its name.
const (
	streamCreated = iota
	streamPlace
	streamContent
	streamMembers
	streams
)

// A generator makes organizations. Each is a pure function of the options and its index;
// the generator holds only what they share.
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

// place is the part of an organization that its members depend on.
type place struct {
	id        uuid.UUID
	createdAt int64 // microseconds since 1970, like all times here
	updatedAt int64
	isActive  bool
}

func (g *generator) place(i int64) place {
	r := g.stream(streamPlace, i)
	p := place{createdAt: g.createdAt(i)}
	// The id is drawn first. A second run then finds the existing rows, whatever else a
	// release changes.
	p.id = r.uuidV7(p.createdAt)
	p.isActive = r.percent(92)
	p.updatedAt = p.createdAt
	if !p.isActive || r.percent(60) {
		p.updatedAt += 1 + r.below(windowEnd-p.createdAt)
	}
	return p
}

// createdAt rises with i. One in 50 organizations has the same time as the previous one,
// like those that one transaction creates.
func (g *generator) createdAt(i int64) int64 {
	for {
		r := g.stream(streamCreated, i)
		if i == 0 || !r.percent(2) {
			return windowStart + i*g.spacing + r.below(g.spacing)
		}
		i--
	}
}

// org is a row of orgs without the columns that are equal in all rows.
type org struct {
	place
	name      string
	folded    string
	metadata  []byte
	userCount int64
	createdBy *uuid.UUID // a user, or nil
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
