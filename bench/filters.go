package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// choice is a value of a filter, or none, and how common it is.
type choice struct {
	what  string // empty if the filter is not used
	query url.Values
}

// filters returns the values to try for each filter. The first value of each filter means
// that it is not used.
func filters(busiest, ordinary string) [][]choice {
	metadata := func(pairs ...string) url.Values {
		query := url.Values{}
		for _, pair := range pairs {
			key, value, _ := strings.Cut(pair, "=")
			query.Set("metadata["+key+"]", value)
		}
		return query
	}
	return [][]choice{
		{
			{},
			{"name common", url.Values{"orgName": {"group"}}},
			{"name middling", url.Values{"orgName": {"reykja"}}},
			{"name rare", url.Values{"orgName": {"opticore studios"}}},
			{"name absent", url.Values{"orgName": {"zzyzx"}}},
		},
		{
			{},
			{"active", url.Values{"isActive": {"true"}}},
			{"inactive", url.Values{"isActive": {"false"}}},
		},
		{
			{},
			{"user busiest", url.Values{"userId": {busiest}}},
			{"user ordinary", url.Values{"userId": {ordinary}}},
			{"user absent", url.Values{"userId": {"usr_0123456789abcdef0123456789abcdef"}}},
		},
		{
			{},
			{"metadata common", metadata("plan=free")},
			{"metadata middling", metadata("region=eu-west-1", "industry=banking")},
			{"metadata rare", metadata("region=eu-west-1", "industry=banking", "tier=gold", "plan=team")},
			{"metadata id", metadata("crm_id=CRM-1234")},
			{"metadata absent", metadata("plan=zzyzx")},
		},
	}
}

// combine returns every combination of one choice of each filter.
func combine(filters [][]choice) []choice {
	combined := []choice{{}}
	for _, choices := range filters {
		var longer []choice
		for _, c := range combined {
			for _, next := range choices {
				longer = append(longer, c.and(next))
			}
		}
		combined = longer
	}
	return combined
}

func (c choice) and(next choice) choice {
	both := choice{query: url.Values{}}
	maps.Copy(both.query, c.query)
	maps.Copy(both.query, next.query)
	both.what = strings.Trim(c.what+", "+next.what, ", ")
	return both
}

// filtered is the time of the first page for a combination.
type filtered struct {
	what     string
	found    int
	p50, p99 float64
}

// combinations returns every combination of the filters, with users of the account.
func (b *bench) combinations(ctx context.Context) ([]choice, error) {
	conn, err := pgx.Connect(ctx, b.tenant.databaseURL)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	busiest, ordinary, err := users(ctx, conn, b.tenant.accountID)
	if err != nil {
		return nil, err
	}
	return combine(filters(busiest, ordinary)), nil
}

// measureFilters requests the first page for each combination of the filters, b.requests
// times in sequence.
func (b *bench) measureFilters(ctx context.Context) error {
	all, err := b.combinations(ctx)
	if err != nil {
		return err
	}
	progress("first pages by %d combinations of filters", len(all))
	b.printf("\norgd, first page by filters, limit=100, %d requests one after the other\n", b.requests)
	var seen []filtered
	for _, c := range all {
		f, err := b.measureFilter(ctx, c)
		if err != nil {
			return err
		}
		seen = append(seen, f)
		b.printFiltered(f)
	}
	b.printf("\norgd, first page by filters, the worst of %d combinations\n", len(seen))
	b.printWorst(seen)
	return nil
}

func (b *bench) measureFilter(ctx context.Context, c choice) (filtered, error) {
	query := url.Values{"limit": {strconv.Itoa(pageSize)}}
	maps.Copy(query, c.query)
	found, took, err := b.repeat(ctx, "http://"+b.orgd.addr+"/v1/orgs?"+query.Encode())
	if err != nil {
		return filtered{}, err
	}
	return filtered{cmp.Or(c.what, "none"), found, quantile(took, .5), quantile(took, .99)}, nil
}

func (b *bench) printFiltered(f filtered) {
	b.printf("  %-56s  %3d found  p50 %8.2f ms  p99 %8.2f ms\n", f.what, f.found, f.p50, f.p99)
}

// printWorst prints the combinations with the highest 99th percentile.
func (b *bench) printWorst(seen []filtered) {
	const shown = 10
	sorted := slices.SortedFunc(slices.Values(seen), func(x, y filtered) int { return -cmp.Compare(x.p99, y.p99) })
	for _, f := range sorted[:min(shown, len(sorted))] {
		b.printFiltered(f)
	}
}

// users returns the user with the most organizations, and one with the median number.
func users(ctx context.Context, conn *pgx.Conn, accountID string) (busiest, ordinary string, err error) {
	err = conn.QueryRow(ctx, `
WITH counted AS (
  SELECT user_id AS id, count(*) AS orgs
  FROM org_members
  WHERE account_id = $1
  GROUP BY user_id
)
SELECT (array_agg(id ORDER BY orgs DESC, id))[1], (array_agg(id ORDER BY orgs, id))[(count(*) + 1) / 2]
FROM counted`, accountID).Scan(&busiest, &ordinary)
	if err != nil {
		return "", "", fmt.Errorf("find users: %w", err)
	}
	return busiest, ordinary, nil
}
