package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"orgd/internal/child"
)

// comparison is two URLs. They are loaded in turn, so that other work on the machine
// affects both equally.
type comparison struct{ title, a, b string }

// load is the result of one run of wrk.
type load struct {
	perSecond float64
	p50, p99  time.Duration
}

func (b *bench) compare(ctx context.Context, c comparison) error {
	at := func(url string) side {
		return func(ctx context.Context, seconds int) (load, error) { return b.load(ctx, url, connections, seconds) }
	}
	return b.alternate(ctx, c.title, at(c.a), at(c.b))
}

// side runs the load of one side of a comparison once.
type side func(ctx context.Context, seconds int) (load, error)

// alternate loads both sides in turn. It prints their medians, and the median, minimum and
// maximum of the ratio A/B over the pairs of runs.
func (b *bench) alternate(ctx context.Context, title string, sideA, sideB side) error {
	progress("%s", title)
	const warmUp = 1
	for _, run := range []side{sideA, sideB} {
		if _, err := run(ctx, warmUp); err != nil {
			return err
		}
	}
	var as, bs []load
	for range b.pairs {
		left, err := sideA(ctx, b.seconds)
		if err != nil {
			return err
		}
		right, err := sideB(ctx, b.seconds)
		if err != nil {
			return err
		}
		as, bs = append(as, left), append(bs, right)
	}
	b.printf("\n%s\n", title)
	b.printRatio("requests/s", as, bs, func(l load) float64 { return l.perSecond })
	b.printRatio("p50 ms", as, bs, func(l load) float64 { return milliseconds(l.p50) })
	b.printRatio("p99 ms", as, bs, func(l load) float64 { return milliseconds(l.p99) })
	return nil
}

func (b *bench) printRatio(name string, as, bs []load, value func(load) float64) {
	var left, right, ratios []float64
	for i := range as {
		x, y := value(as[i]), value(bs[i])
		left, right, ratios = append(left, x), append(right, y), append(ratios, x/y)
	}
	b.printf("  %-10s  A %8.2f  B %8.2f  A/B median %.3f  min %.3f  max %.3f\n", name,
		median(left), median(right), median(ratios), quantile(ratios, 0), quantile(ratios, 1))
}

// load runs wrk once.
func (b *bench) load(ctx context.Context, url string, connections, seconds int, more ...string) (load, error) {
	args := append([]string{
		"--threads", "1", "--connections", strconv.Itoa(connections), "--duration", strconv.Itoa(seconds) + "s",
		"--latency", "--header", "Authorization: Bearer " + b.tenant.key,
	}, more...)
	printed, err := child.Output(child.Command(ctx, b.programs.wrk, append(args, url)...))
	if err != nil {
		return load{}, err
	}
	seen, err := parseWrk(printed)
	if err != nil {
		return load{}, fmt.Errorf("wrk %s: %w\n%s", url, err, printed)
	}
	return seen, nil
}

var (
	wrkRate = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	wrkP50  = regexp.MustCompile(`(?m)^\s+50%\s+(\S+)`)
	wrkP99  = regexp.MustCompile(`(?m)^\s+99%\s+(\S+)`)
)

// parseWrk parses the output of wrk. An unsuccessful response is an error, because a fast
// error would improve the figures.
func parseWrk(printed string) (load, error) {
	if strings.Contains(printed, "Non-2xx") || strings.Contains(printed, "Socket errors") {
		return load{}, errors.New("some requests failed")
	}
	var found [3]string
	for i, pattern := range []*regexp.Regexp{wrkRate, wrkP50, wrkP99} {
		match := pattern.FindStringSubmatch(printed)
		if match == nil {
			return load{}, fmt.Errorf("no match for %v in its output", pattern)
		}
		found[i] = match[1]
	}
	rate, rateErr := strconv.ParseFloat(found[0], 64)
	p50, p50Err := time.ParseDuration(found[1])
	p99, p99Err := time.ParseDuration(found[2])
	return load{rate, p50, p99}, errors.Join(rateErr, p50Err, p99Err)
}
