package seed

import "orgd/internal/uuid"

// MaxMembers is the number of users of a seeded account, and so the largest number of
// members of an organization. It is a power of two, as membership requires.
const MaxMembers = 1 << 14

// user returns the id of user n. Its time is in the year before the first organization.
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

// A membership iterates over the users of one organization. It starts at some user and
// moves on by an odd number of users each time. Modulo a power of two, this returns every
// user once before it repeats one, without remembering which users it has returned.
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

// next returns the number of the next user and the time at which the user was added. left
// reports whether there is one.
func (m *membership) next() (user, addedAt int64) {
	user = m.user
	addedAt = m.createdAt + m.r.below(m.updatedAt-m.createdAt+1)
	m.user = (m.user + m.step) % MaxMembers
	m.left--
	return user, addedAt
}
