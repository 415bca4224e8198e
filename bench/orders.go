package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// listOrders are the values of the parameter order.
var listOrders = []string{"-createdAt", "createdAt", "orgName", "-orgName"}

// runOrders measures only what a table of organizations in a dashboard needs: every order
// in both directions, ranges of times, totals, and every filter in every order.
func (b *bench) runOrders(ctx context.Context, databaseURL string) error {
	b.tenant.databaseURL = databaseURL
	if err := b.seed(ctx, "--members", strconv.Itoa(b.members)); err != nil {
		return err
	}
	if err := b.vacuum(ctx); err != nil {
		return err
	}
	b.client = newClient(b.tenant.key)
	return b.withOrgd(ctx, "orders.log", poolSize, func(ctx context.Context) error {
		if err := b.measurePages(ctx); err != nil {
			return err
		}
		return b.measureFilteredOrders(ctx)
	})
}

// measurePages compares pages in each order with the first page of the default order.
func (b *bench) measurePages(ctx context.Context) error {
	from, to, err := b.middleHalf(ctx)
	if err != nil {
		return err
	}
	b.printf("\norgd, pages of %d, %d requests each, in turn with the first page of the default order\n", pageSize, b.requests)
	for _, order := range listOrders {
		for _, list := range []struct {
			what  string
			query url.Values
			depth int
		}{
			{"", url.Values{}, b.depth()},
			{", the middle half by time", url.Values{"createdFrom": {from}, "createdTo": {to}}, b.depth() / 2},
		} {
			list.query.Set("order", order)
			list.query.Set("limit", strconv.Itoa(pageSize))
			progress("order=%s%s, walking to the page after %d organizations", order, list.what, list.depth)
			deep, err := b.walkTo(ctx, list.query, list.depth)
			if err != nil {
				return err
			}
			for _, place := range []struct{ what, parameter string }{
				{"first", ""}, {fmt.Sprintf("after %d", list.depth), "cursor"}, {fmt.Sprintf("before %d", list.depth), "before"},
			} {
				query := maps.Clone(list.query)
				if place.parameter != "" {
					query.Set(place.parameter, deep)
				}
				if err := b.comparePage(ctx, fmt.Sprintf("%s%s, %s", order, list.what, place.what), query); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// middleHalf returns the times between which the middle half of the organizations was
// created.
func (b *bench) middleHalf(ctx context.Context) (from, to string, err error) {
	conn, err := pgx.Connect(ctx, b.tenant.databaseURL)
	if err != nil {
		return "", "", err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var first, last time.Time
	err = conn.QueryRow(ctx, "SELECT min(created_at), max(created_at) FROM orgs WHERE account_id = $1", b.tenant.accountID).Scan(&first, &last)
	if err != nil {
		return "", "", fmt.Errorf("find the range of times: %w", err)
	}
	quarter := last.Sub(first) / 4
	return first.Add(quarter).UTC().Format(time.RFC3339Nano), last.Add(-quarter).UTC().Format(time.RFC3339Nano), nil
}

// walkTo returns the cursor of the first page that has at least depth organizations
// before its end.
func (b *bench) walkTo(ctx context.Context, query url.Values, depth int) (cursor string, err error) {
	query = maps.Clone(query)
	for seen := 0; seen < depth; {
		p, err := b.client.page(ctx, b.orgsURL(query))
		if err != nil {
			return "", err
		}
		if cursor = p.Cursor; cursor == "" {
			return "", fmt.Errorf("the list ended after %d organizations, before %d", seen+len(p.Organizations), depth)
		}
		seen += len(p.Organizations)
		query.Set("cursor", cursor)
	}
	return cursor, nil
}

func (b *bench) comparePage(ctx context.Context, what string, query url.Values) error {
	var times, first []float64
	for range b.requests {
		for _, request := range []struct {
			url  string
			took *[]float64
		}{{b.orgsURL(query), &times}, {listURL(b.orgd, pageSize, "", ""), &first}} {
			_, took, err := b.client.get(ctx, request.url)
			if err != nil {
				return err
			}
			*request.took = append(*request.took, milliseconds(took))
		}
	}
	b.printf("  %-56s  p50 %8.2f ms  p99 %8.2f ms  p50 relative to the default first page %.2f\n",
		what, quantile(times, .5), quantile(times, .99), quantile(times, .5)/quantile(first, .5))
	return nil
}

// measureFilteredOrders requests the total, and the first page in each order, for each
// combination of the filters.
func (b *bench) measureFilteredOrders(ctx context.Context) error {
	all, err := b.combinations(ctx)
	if err != nil {
		return err
	}
	if err := b.measureTotals(ctx, all); err != nil {
		return err
	}
	for _, order := range listOrders {
		progress("first pages by %d combinations of filters, order=%s", len(all), order)
		query := url.Values{"limit": {strconv.Itoa(pageSize)}, "order": {order}}
		if err := b.measureWorst(ctx, "first page, order="+order, all, query); err != nil {
			return err
		}
	}
	return nil
}

// measureTotals requests one organization, with and without the total in turn, for each
// combination of the filters. It prints the combinations with which the total adds the
// most time.
func (b *bench) measureTotals(ctx context.Context, all []choice) error {
	progress("totals of %d combinations of filters", len(all))
	var added []filtered
	for _, c := range all {
		query := maps.Clone(c.query)
		query.Set("limit", "1")
		alone := b.orgsURL(query)
		query.Set("total", "true")
		var differences []float64
		var p page
		for n := range b.requests {
			first, second, sign := alone, b.orgsURL(query), 1.0
			if n%2 > 0 { // the second request finds warm caches
				first, second, sign = second, first, -1
			}
			_, before, err := b.client.get(ctx, first)
			if err != nil {
				return err
			}
			body, after, err := b.client.get(ctx, second)
			if err != nil {
				return err
			}
			p = page{}
			if err := json.Unmarshal(body, &p); err != nil {
				return err
			}
			differences = append(differences, sign*milliseconds(after-before))
		}
		added = append(added, filtered{cmp.Or(c.what, "none"), len(p.Organizations), quantile(differences, .5), quantile(differences, .99)})
	}
	b.printf("\norgd, what the total adds to a page of one, %d pairs of requests for each of %d combinations of filters\n", b.requests, len(all))
	b.printWorst(added)
	return nil
}

// measureWorst requests the list with the parameters for each combination of the filters,
// and prints the combinations with the highest 99th percentile, and those that are
// refused.
func (b *bench) measureWorst(ctx context.Context, what string, all []choice, parameters url.Values) error {
	var seen []filtered
	var refused []string
	for _, c := range all {
		query := maps.Clone(parameters)
		maps.Copy(query, c.query)
		f, isRefused, err := b.measureList(ctx, query)
		if err != nil {
			return err
		}
		f.what = cmp.Or(c.what, "none")
		if isRefused {
			refused = append(refused, f.what)
			continue
		}
		seen = append(seen, f)
	}
	b.printf("\norgd, %s, %d requests one after the other for each of %d combinations of filters\n", what, b.requests, len(all))
	b.printWorst(seen)
	b.printf("  %d refused because too many organizations would be sorted\n", len(refused))
	for _, r := range refused {
		b.printf("    %s\n", r)
	}
	return nil
}

// measureList requests a list repeatedly. It reports whether orgd refuses to sort it.
func (b *bench) measureList(ctx context.Context, query url.Values) (f filtered, isRefused bool, err error) {
	var times []float64
	var p page
	address := b.orgsURL(query)
	for range b.requests {
		start := time.Now()
		status, body, err := b.client.do(ctx, http.MethodGet, address, "")
		times = append(times, milliseconds(time.Since(start)))
		switch {
		case err != nil:
			return filtered{}, false, err
		case status == http.StatusBadRequest && strings.Contains(string(body), `"too_many"`):
			isRefused = true
		case status != http.StatusOK:
			return filtered{}, false, fmt.Errorf("%s: status %d\n%s", address, status, body)
		default:
			if err := json.Unmarshal(body, &p); err != nil {
				return filtered{}, false, err
			}
		}
	}
	return filtered{found: len(p.Organizations), p50: quantile(times, .5), p99: quantile(times, .99)}, isRefused, nil
}

func (b *bench) orgsURL(query url.Values) string {
	return "http://" + b.orgd.addr + "/v1/orgs?" + query.Encode()
}
