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

// wrongKeys is the number of wrong keys of each kind that measureTiming sends.
const wrongKeys = 10_000

// measureTiming tests whether the time of a rejection reveals that a wrong key begins
// like a real one. It sends wrong keys with a valid checksum, which alternate between two
// kinds: one kind begins like a real key, the other like a key that does not exist. The
// shared beginnings are equally long in both kinds, because keys with a common beginning
// are some microseconds faster than random keys, whether or not the imitated key exists.
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
		// Both keys are created before the first one is sent, so the times do not include
		// their creation.
		tries := []struct {
			key  string
			took *[]float64
		}{
			{wrongKey(b.tenant.key, shared), &alike},
			{wrongKey(absent, shared), &other},
		}
		if i%2 == 1 { // alternate which kind goes first
			slices.Reverse(tries)
		}
		for _, t := range tries {
			try.key, try.from = t.key, randomAddress()
			took, err := try.rejected(ctx, s)
			if err != nil {
				return err
			}
			*t.took = append(*t.took, milliseconds(took))
		}
	}
	t := welch(alike, other)
	// For this many samples, t has a normal distribution.
	p := math.Erfc(math.Abs(t) / math.Sqrt2)
	b.printf("\norgd, rejections of %d wrong keys that begin like a real key, and of as many that begin like an absent key: medians %.4f and %.4f ms, t %.2f, p %.3f\n",
		wrongKeys, median(alike), median(other), t, p)
	return nil
}

// wrongKey returns a key with a valid checksum that shares its first characters with key.
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

func (c *client) rejected(ctx context.Context, s *server) (time.Duration, error) {
	start := time.Now()
	status, answer, err := c.do(ctx, http.MethodGet, "http://"+s.addr+"/v1/orgs", "")
	took := time.Since(start)
	if err == nil && status != http.StatusUnauthorized {
		err = fmt.Errorf("a wrong key: status %d\n%s", status, answer)
	}
	return took, err
}

// welch returns the t of Welch's t-test for the means of two samples.
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
