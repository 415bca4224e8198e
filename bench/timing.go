package main

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"
)

// wrongKeys is how many keys of each kind are tried.
const wrongKeys = 10_000

// measureTiming tries wrong keys with a right checksum, in turn those that begin as a
// real one and those that begin as one that does not exist, and looks for a difference
// in the time of their refusal. Both kinds share as many characters with their model:
// keys of one beginning are some microseconds faster than random ones, whether it
// exists or not.
func (b *bench) measureTiming(ctx context.Context) (err error) {
	progress("%d wrong keys", 2*wrongKeys)
	s, err := b.startOrgd(ctx, "timing.log", poolSize, behindProxy)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	absent := wrongKey(b.tenant.key, 0)
	var alike, other []float64
	try := &client{http: b.client.http}
	for i := range wrongKeys {
		shared := len(absent) - 6 - 1 - i%20
		// Both keys are made before the first is sent, so that making one is not measured
		// as a part of its refusal.
		tries := []struct {
			key  string
			took *[]float64
		}{
			{wrongKey(b.tenant.key, shared), &alike},
			{wrongKey(absent, shared), &other},
		}
		if i%2 == 1 { // the one that goes first changes
			slices.Reverse(tries)
		}
		for _, t := range tries {
			try.key, try.from = t.key, randomAddress()
			took, err := try.refused(ctx, s)
			if err != nil {
				return err
			}
			*t.took = append(*t.took, milliseconds(took))
		}
	}
	t := welch(alike, other)
	// With so many, t is normal.
	p := math.Erfc(math.Abs(t) / math.Sqrt2)
	b.printf("\norgd, refusals of %d wrong keys that begin as a real one, and of as many that begin as an absent one: medians %.4f and %.4f ms, t %.2f, p %.3f\n",
		wrongKeys, median(alike), median(other), t, p)
	return nil
}

// wrongKey returns a key with a right checksum that begins with as many characters
// of the real one.
func wrongKey(key string, shared int) string {
	const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	shared = max(shared, len("orgd_"))
	random := len(key) - 6
	text := []byte(key[:shared])
	for len(text) < random {
		text = append(text, base62[rand.IntN(len(base62))])
	}
	if string(text) == key[:random] {
		return wrongKey(key, shared)
	}
	sum := crc32.ChecksumIEEE(text)
	var digits [6]byte
	for i := range digits {
		digits[len(digits)-1-i] = base62[sum%62]
		sum /= 62
	}
	return string(append(text, digits[:]...))
}

func (c *client) refused(ctx context.Context, s *server) (time.Duration, error) {
	start := time.Now()
	status, answer, err := c.do(ctx, http.MethodGet, "http://"+s.addr+"/v1/orgs", "")
	took := time.Since(start)
	if err == nil && status != http.StatusUnauthorized {
		err = fmt.Errorf("a wrong key: status %d\n%s", status, answer)
	}
	return took, err
}

// welch is the t of Welch's test of two means.
func welch(a, b []float64) float64 {
	meanA, varianceA := moments(a)
	meanB, varianceB := moments(b)
	return (meanA - meanB) / math.Sqrt(varianceA/float64(len(a))+varianceB/float64(len(b)))
}

func moments(values []float64) (mean, variance float64) {
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		variance += (v - mean) * (v - mean) / float64(len(values)-1)
	}
	return mean, variance
}
