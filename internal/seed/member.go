package seed

import "orgd/internal/uuid"

// MaxMembers is the number of users that a seeded account has, and so the most
// that one organization can have as members. It is a power of two, which the walk
// of a membership needs.
const MaxMembers = 1 << 14

// user returns the id of the user n, who joined in the year before the first
// organization.
func (g *generator) user(n int64) uuid.UUID {
	const year = 365 * 24 * 3600 * 1_000_000
	r := rng(g.userSeed + mix(uint64(n)))
	joined := windowStart - r.below(year)
	return r.uuidV7(joined)
}

func (g *generator) userCount(i int64) int64 {
	r := g.stream(streamMembers, i)
	return r.below(g.members + 1)
}

// A membership walks through the users of one organization: from some user on, an
// odd number of users further each time. Modulo a power of two such a walk meets
// no user twice before it has met them all, which costs less than to remember who
// was drawn.
type membership struct {
	place
	r    rng
	left int64
	user int64
	step int64
}

func (g *generator) membership(i int64) membership {
	r := g.stream(streamMembers, i)
	m := membership{place: g.place(i), left: r.below(g.members + 1)}
	m.user = r.skewed(MaxMembers)
	m.step = 1 + 2*r.below(64)
	m.r = r
	return m
}

// next goes to the next member and returns the number of the user and when they
// were added; left says whether there is one.
func (m *membership) next() (user, addedAt int64) {
	user = m.user
	addedAt = m.createdAt + m.r.below(m.updatedAt-m.createdAt+1)
	m.user = (m.user + m.step) % MaxMembers
	m.left--
	return user, addedAt
}
