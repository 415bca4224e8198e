package events_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"orgd/internal/cursor"
	"orgd/internal/events"
	"orgd/internal/uuid"
)

func orgOf(n byte) uuid.UUID { return uuid.UUID{15: n} }

// An event in the list has a position as soon as the feed has been read.
func TestListHasPositions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.write(t, 1, "org.created", 2)
	list := func() (string, string) {
		page, err := b.repository.ListOfOrg(context.Background(), b.account, orgOf(1), events.ListParams{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		ids := ""
		for _, e := range page.Events {
			ids += e.ID.String()
		}
		return positions(page.Events), ids
	}
	before, ids := list()
	seen, _ := b.walk(t, events.Params{Limit: 10})
	after, sameIDs := list()
	if before != "0 0 " || after != "2 1 " || ids != sameIDs || ids != seen[1].ID.String()+seen[0].ID.String() {
		t.Errorf("positions %s, then %s; ids %s, then %s", before, after, ids, sameIDs)
	}
}

func TestListLimits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, limit := range []int{-1, 0, 101} {
		if _, err := b.repository.ListOfOrg(context.Background(), b.account, orgOf(1), events.ListParams{Limit: limit}); err == nil {
			t.Errorf("limit %d is accepted", limit)
		}
	}
	_, err := b.repository.ListOfOrg(context.Background(), b.account, orgOf(1), events.ListParams{Limit: 1})
	_, keyErr := b.repository.ListOfAPIKey(context.Background(), b.account, orgOf(1), events.ListParams{Limit: 1})
	if !errors.Is(err, events.ErrNotFound) || !errors.Is(keyErr, events.ErrNotFound) {
		t.Errorf("%v, %v", err, keyErr)
	}
}

// A cursor does not reveal the row's id, and a client cannot make one for another row.
func TestCursorsHideRows(t *testing.T) {
	t.Parallel()
	account := uuid.NewV7()
	for _, row := range []int64{1, 2, 1 << 40, math.MaxInt64} {
		token := events.SealRow(account, row, "list")
		if got, err := events.OpenRow(account, token, "list"); err != nil || got != row {
			t.Errorf("%d: %d, %v", row, got, err)
		}
		for name, open := range map[string]func() (int64, error){
			"another account": func() (int64, error) { return events.OpenRow(uuid.NewV7(), token, "list") },
			"another list":    func() (int64, error) { return events.OpenRow(account, token, "other") },
		} {
			if _, err := open(); !errors.Is(err, events.ErrInvalidCursor) {
				t.Errorf("%s: %v", name, err)
			}
		}
		// A client that knows the format can compute the digest, but cannot encrypt a
		// row.
		at, err := cursor.Decode(token, []byte("list"))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(at.ID[:], binary.BigEndian.AppendUint64(nil, uint64(row))) {
			t.Errorf("%d is in the cursor", row)
		}
		for i := range at.ID {
			forged := at
			forged.ID[i] ^= 1
			if _, err := events.OpenRow(account, cursor.Encode(forged, []byte("list")), "list"); !errors.Is(err, events.ErrInvalidCursor) {
				t.Errorf("byte %d: %v", i, err)
			}
		}
		inClear := cursor.Position{CreatedAt: time.Unix(0, 0), ID: uuid.UUID(append(make([]byte, 8), binary.BigEndian.AppendUint64(nil, uint64(row))...))}
		if _, err := events.OpenRow(account, cursor.Encode(inClear, []byte("list")), "list"); !errors.Is(err, events.ErrInvalidCursor) {
			t.Errorf("not encrypted: %v", err)
		}
	}
}

// A page costs the same at any depth, even if the statistics mislead the planner: here
// they know only the large organization, and the events of the small one are the oldest.
func TestListPlansSeekAtAnyDepth(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const large, small = 20_000, 300
	insert := `
INSERT INTO events (account_id, id, type, org_id, api_key_id, request_id) OVERRIDING SYSTEM VALUE
SELECT $1, $2 + n, 'org.updated', $3, $3, 'r' FROM generate_series(1, $4) AS n`
	b.Exec(t, insert, b.account, 1_000_000, orgOf(1), large)
	b.Vacuum(t, "ANALYZE events")
	b.Exec(t, insert, b.account, 0, orgOf(2), small)
	b.Exec(t, insert, b.account, 1000, orgOf(3), small)
	for _, mode := range planModes {
		conn := connWithPlans(t, b.DB, mode)
		for _, c := range []struct {
			org    byte
			before int64
		}{{1, math.MaxInt64}, {1, 1_019_000}, {1, 1_000_150}, {2, math.MaxInt64}, {2, 250}, {2, 2}} {
			for index, sql := range map[string]string{"events_by_org": events.OrgEventList, "events_by_api_key": events.APIKeyEventList} {
				plan := explain(t, conn, sql, b.account, orgOf(c.org), c.before, 101, events.MaxPageBytes)
				filters := strings.Count(plan.text, `"Filter"`) // one is the size of the page
				if !strings.Contains(plan.text, `"`+index+`"`) || strings.Contains(plan.text, `"Sort"`) || !strings.Contains(plan.text, "id) < ROW(") || filters > 1 || plan.buffers > 120 {
					t.Errorf("%s, organization %d before %d: %d buffers\n%s", mode, c.org, c.before, plan.buffers, plan.text)
				}
			}
		}
	}
}
