package seed

import (
	"encoding/binary"
	"math/bits"
	"time"

	"orgd/internal/uuid"
)

// rng is a splitmix64 generator. math/rand does not fit for two reasons: the numbers
// determine the organizations, so they must be the same in every release of Go, and a
// generator is started for each organization, so the start must cost nothing.
type rng uint64

func (r *rng) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	return mix(uint64(*r))
}

// below returns a number from 0 to n-1; n must be positive.
func (r *rng) below(n int64) int64 {
	hi, _ := bits.Mul64(r.next(), uint64(n))
	return int64(hi)
}

// skewed returns a number from 0 to n-1 and prefers small ones: half of the results are
// below n/8.
func (r *rng) skewed(n int64) int64 {
	u := r.next() >> 43 // 21 bits, so that the cube fits in 63
	hi, _ := bits.Mul64(u*u*u<<1, uint64(n))
	return int64(hi)
}

// percent returns true with a probability of p percent.
func (r *rng) percent(p int64) bool {
	return r.below(100) < p
}

func (r *rng) pick(from []string) string {
	return from[r.below(int64(len(from)))]
}

// uuidV7 returns a UUIDv7 for a time in microseconds since 1970.
func (r *rng) uuidV7(micros int64) uuid.UUID {
	var random [10]byte
	binary.BigEndian.PutUint64(random[:8], r.next())
	binary.BigEndian.PutUint16(random[8:], uint16(r.next()))
	return uuid.V7(time.UnixMicro(micros), random)
}

// mix is splitmix64's finalizer, a bijection in which each bit of x affects about half the
// bits of the result.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
