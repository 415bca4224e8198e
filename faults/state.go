package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// state is the database's contents for the account of the load.
type state struct {
	created  map[string][]string // for each name, the ids of the organizations created with it
	metadata map[string]string   // for each organization, the value that the changes wrote
	members  map[string]string   // for each user, the organization
	named    map[string]bool     // the users whose ids are in events
	events   map[string]int      // for each request id, the number of events of organizations
	broken   []string            // contradictions within the database
}

const textID = `'org_' || replace(%s::text, '-', '')`

// contradictions are queries that count states that must not exist.
var contradictions = []struct{ what, sql string }{
	{"organizations whose userCount is not the number of their members", `
SELECT count(*) FROM orgs WHERE user_count <> (
  SELECT count(*) FROM org_members AS m WHERE (m.account_id, m.org_id) = (orgs.account_id, orgs.org_id))`},
	{"organizations whose version is not the number of their events", `
SELECT count(*) FROM orgs WHERE version <> (
  SELECT count(*) FROM events AS e WHERE (e.account_id, e.org_id) = (orgs.account_id, orgs.org_id))`},
	{"organizations without exactly one org.created event", `
SELECT count(*) FROM orgs WHERE 1 <> (
  SELECT count(*) FROM events AS e WHERE (e.account_id, e.org_id) = (orgs.account_id, orgs.org_id) AND type = 'org.created')`},
	{"organizations that exist after their deletion", `
SELECT count(*) FROM events JOIN orgs USING (account_id, org_id) WHERE type = 'org.deleted'`},
	{"members of an organization that does not exist", `
SELECT count(*) FROM org_members AS m WHERE NOT EXISTS (
  SELECT FROM orgs WHERE (m.account_id, m.org_id) = (orgs.account_id, orgs.org_id))`},
	{"events of deleted organizations that still have contents", `
SELECT count(*) FROM events JOIN events AS d USING (account_id, org_id)
WHERE d.type = 'org.deleted' AND (events.before <> '{}' OR events.after <> '{}' OR events.user_id IS NOT NULL)`},
	{"events of organizations and API keys that neither exist nor were deleted", `
SELECT count(*) FROM events AS e WHERE type ~ '^(org|api_key)[.]' AND NOT EXISTS (
  SELECT FROM orgs WHERE (e.account_id, e.org_id) = (orgs.account_id, orgs.org_id)) AND NOT EXISTS (
  SELECT FROM events AS d WHERE (e.account_id, e.org_id, 'org.deleted') = (d.account_id, d.org_id, d.type)) AND NOT EXISTS (
  SELECT FROM api_keys WHERE (e.account_id, e.api_key_id) = (api_keys.account_id, api_keys.id))`},
	{"API keys without exactly one api_key.created event", `
SELECT count(*) FROM api_keys AS k WHERE 1 <> (
  SELECT count(*) FROM events AS e WHERE (e.account_id, e.api_key_id) = (k.account_id, k.id) AND type = 'api_key.created')`},
	{"members whose member_added events do not exceed their member_removed events by one", `
SELECT count(*) FROM org_members AS m WHERE 1 <> (
  SELECT count(*) FILTER (WHERE type = 'org.member_added') - count(*) FILTER (WHERE type = 'org.member_removed')
  FROM events AS e WHERE (e.account_id, e.org_id) = (m.account_id, m.org_id)
    AND e.user_id = m.user_id)`},
}

// readState reads the state of the account.
func readState(ctx context.Context, conn *pgx.Conn, account string) (state, error) {
	s := state{created: map[string][]string{}, metadata: map[string]string{}, members: map[string]string{}, named: map[string]bool{}, events: map[string]int{}}
	var a, b string
	var n int
	org := fmt.Sprintf(textID, "org_id")
	each := func(sql string, scan []any, take func()) error {
		rows, err := conn.Query(ctx, sql, account)
		if err != nil {
			return err
		}
		_, err = pgx.ForEachRow(rows, scan, func() error { take(); return nil })
		return err
	}
	// The name comes from the event of the creation. The organization must still exist.
	err := each(`SELECT coalesce(after->>'orgName', ''), `+fmt.Sprintf(textID, "o.org_id")+`
		FROM events JOIN orgs AS o USING (account_id, org_id) WHERE account_id = $1 AND type = 'org.created'`,
		[]any{&a, &b}, func() { s.created[a] = append(s.created[a], b) })
	if err != nil {
		return s, err
	}
	if err := each(`SELECT `+org+`, coalesce(metadata->>'value', '') FROM orgs WHERE account_id = $1`,
		[]any{&a, &b}, func() { s.metadata[a] = b }); err != nil {
		return s, err
	}
	if err := each(`SELECT user_id, `+org+` FROM org_members WHERE account_id = $1`,
		[]any{&a, &b}, func() { s.members[a] = b }); err != nil {
		return s, err
	}
	if err := each(`SELECT DISTINCT user_id FROM events WHERE account_id = $1 AND user_id IS NOT NULL`,
		[]any{&a}, func() { s.named[a] = true }); err != nil {
		return s, err
	}
	if err := each(`SELECT request_id, count(*) FROM events WHERE account_id = $1 AND org_id IS NOT NULL GROUP BY 1`,
		[]any{&a, &n}, func() { s.events[a] = n }); err != nil {
		return s, err
	}
	for _, c := range contradictions {
		if err := conn.QueryRow(ctx, c.sql).Scan(&n); err != nil {
			return s, fmt.Errorf("%s: %w", c.what, err)
		}
		if n != 0 {
			s.broken = append(s.broken, fmt.Sprintf("%d %s", n, c.what))
		}
	}
	return s, nil
}
