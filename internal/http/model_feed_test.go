package http_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"orgd/internal/apikeys"
	"orgd/internal/cursor"
)

// The feed in the model: each account has a reader, which reads a page from time to time.
// At the end, the reader has exactly the rows of the audit trail, in order.

// feedReader is a reader of an account's feed, with what it has read.
type feedReader struct {
	key    string
	keyID  string // of a key that the model does not change
	cursor string
	seen   []feedEvent
}

func (m *model) newFeedReader(account *modelAccount) *feedReader {
	r := &feedReader{key: m.Key(m.t, account.id, apikeys.EventsRead)}
	parsed, err := apikeys.ParseKey(r.key)
	if err != nil {
		m.t.Fatal(err)
	}
	digest := parsed.Digest()
	err = m.Pool.QueryRow(context.Background(), "SELECT id::text FROM api_keys WHERE digest = $1", digest[:]).Scan(&r.keyID)
	if err != nil {
		m.t.Fatal(err)
	}
	return r
}

// readFeed reads a page of one of the feeds.
func (m *model) readFeed(t *rapid.T) {
	r := rapid.SampledFrom(m.accounts).Draw(t, "account").feed
	m.nextPage(r, rapid.IntRange(1, cursor.MaxLimit).Draw(t, "limit"))
}

func (m *model) nextPage(r *feedReader, limit int) (more bool) {
	page := m.feed(m.t, r.key, r.cursor, limit)
	if len(page.Events) > limit || page.HasMore && len(page.Events) < limit {
		m.t.Fatalf("%d events for a limit of %d, more %t", len(page.Events), limit, page.HasMore)
	}
	r.seen, r.cursor = append(r.seen, page.Events...), page.Cursor
	m.checkBackward(r, limit)
	return page.HasMore
}

// checkBackward reads the page before the reader's cursor, which has the last events that
// the reader got.
func (m *model) checkBackward(r *feedReader, limit int) {
	page := read[feedPage](m.t, m.call(m.t, http.MethodGet, fmt.Sprintf("/v1/events?order=-position&limit=%d&cursor=%s", limit, r.cursor), "Authorization", "Bearer "+r.key), http.StatusOK)
	var want, got []string
	for _, e := range r.seen[max(0, len(r.seen)-limit):] {
		want = append(want, e.EventID)
	}
	for _, e := range slices.Backward(page.Events) {
		got = append(got, e.EventID)
	}
	if diff := cmp.Diff(want, got); diff != "" || page.HasMore != (len(r.seen) > limit) {
		m.t.Fatalf("newest first, limit %d, more %t (-read +got):\n%s", limit, page.HasMore, diff)
	}
}

// isFed checks that the account's reader has everything that was recorded.
func (m *model) isFed(account *modelAccount) {
	for m.nextPage(account.feed, cursor.MaxLimit) {
	}
	rows, err := m.Pool.Query(context.Background(), `
SELECT type, coalesce('org_' || replace(org_id::text, '-', ''), ''), coalesce(api_key_id::text, ''), coalesce(actor_api_key_id::text, ''), request_id
FROM events WHERE account_id = $1 ORDER BY id`, account.id)
	if err != nil {
		m.t.Fatal(err)
	}
	recorded, err := pgx.CollectRows(rows, pgx.RowToStructByPos[recordedEvent])
	if err != nil {
		m.t.Fatal(err)
	}
	var fed []recordedEvent
	for i, e := range account.feed.seen {
		if e.Position != i+1 {
			m.t.Fatalf("position %d after %d", e.Position, i)
		}
		fed = append(fed, recordedEvent{e.Type, e.OrgID, e.APIKeyID, e.ActorAPIKeyID, e.RequestID})
	}
	if diff := cmp.Diff(recorded, fed); diff != "" {
		m.t.Fatalf("the feed (-recorded +fed):\n%s", diff)
	}
}

// recordedEvent is the part of an event that no erasure changes.
type recordedEvent struct{ Type, OrgID, APIKeyID, ActorAPIKeyID, RequestID string }
