package orgs_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"orgd/internal/cursor"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

var memberOrders = map[string]orgs.MemberOrder{"latest first": orgs.LatestFirst, "earliest first": orgs.EarliestFirst, "by user id": orgs.ByUserID}

// memberPrecedes reports whether a comes before b in a list with this order.
func memberPrecedes(order orgs.MemberOrder, a, b orgs.Member) bool {
	switch order {
	case orgs.ByUserID:
		return a.UserID < b.UserID
	case orgs.EarliestFirst:
		return a.AddedAt.Before(b.AddedAt)
	default:
		return b.AddedAt.Before(a.AddedAt)
	}
}

// manyMembers adds members whose times are not in the order of their ids. Some ids are too
// long for a cursor, and have the same beginning.
func (b bundle) manyMembers(t *testing.T, o orgs.Org, count int) (made []orgs.Member) {
	t.Helper()
	for i := range count {
		m := orgs.Member{UserID: fmt.Sprintf("user-%03d", i*7919%count), AddedAt: time.Unix(0, int64(i)*1000).UTC()}
		if i%3 == 0 {
			m.UserID = strings.Repeat("東", 50) + m.UserID
		}
		if i%2 == 0 {
			m.Roles = []string{"owner"}
		}
		b.Exec(t, "INSERT INTO org_members (account_id, org_id, user_id, roles, added_at, org_created_at) VALUES ($1, $2, $3, $4, $5, $6)",
			b.account, o.ID, m.UserID, append([]string{}, m.Roles...), m.AddedAt, o.CreatedAt)
		made = append(made, m)
	}
	b.Exec(t, "UPDATE orgs SET user_count = $3 WHERE account_id = $1 AND org_id = $2", b.account, o.ID, count)
	return made
}

func (b bundle) memberPage(t fataler, p orgs.MemberListParams) orgs.MemberPage {
	t.Helper()
	page, err := b.repository.ListMembers(context.Background(), b.account, p)
	if err != nil {
		t.Fatalf("%+v: %v", p, err)
	}
	return page
}

// In every order, a walk returns the same sequence as a sort in memory, and the walk back
// returns the same pages.
func TestEveryOrderOfMembers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	o := b.Org(t, b.account, orgs.Org{IsActive: true})
	made := b.manyMembers(t, o, 60)
	var some []string
	for _, m := range made[10:40] {
		some = append(some, m.UserID)
	}
	for name, order := range memberOrders {
		for _, nearby := range []int{1, 20, 10_000} {
			for _, role := range []string{"", "owner", "none"} {
				for _, users := range [][]string{nil, some} {
					t.Run(fmt.Sprintf("%s, nearby %d, role %q, %d users", name, nearby, role, len(users)), func(t *testing.T) {
						reader := bundle{DB: b.DB, repository: b.repository.WithNearby(nearby), account: b.account}
						want := slices.DeleteFunc(slices.Clone(made), func(m orgs.Member) bool {
							return role != "" && !slices.Contains(m.Roles, role) || users != nil && !slices.Contains(users, m.UserID)
						})
						slices.SortFunc(want, func(a, b orgs.Member) int {
							if memberPrecedes(order, a, b) {
								return -1
							}
							return 1
						})
						for _, limit := range []int{1, 7, 100} {
							reader.mirroredMembers(t, orgs.MemberListParams{OrgID: o.ID, Limit: limit, Order: order, Role: role, UserIDs: users}, want)
						}
					})
				}
			}
		}
	}
}

// mirroredMembers is mirrored for a list of members.
func (b bundle) mirroredMembers(t *testing.T, p orgs.MemberListParams, want []orgs.Member) {
	t.Helper()
	page := b.memberPage(t, p)
	first := page
	there := [][]orgs.Member{page.Members}
	for page.Cursor != "" {
		if len(there) > len(want) {
			t.Fatalf("%+v: the walk does not end", p)
		}
		if len(page.Cursor) > 200 {
			t.Fatalf("a cursor of %d characters", len(page.Cursor))
		}
		p.Cursor = page.Cursor
		page = b.memberPage(t, p)
		there = append(there, page.Members)
	}
	if diff := cmp.Diff(want, slices.Concat(there...), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%+v (-want +got):\n%s", p, diff)
	}
	p.Cursor = ""
	back := [][]orgs.Member{page.Members}
	for page.Before != "" {
		p.Before = page.Before
		page = b.memberPage(t, p)
		back = append(back, page.Members)
	}
	slices.Reverse(back)
	if diff := cmp.Diff(there, back, cmpopts.EquateEmpty()); diff != "" || first.Before != "" || page.Cursor != first.Cursor {
		t.Fatalf("%+v: the pages on the way back (-there +back):\n%s", p, diff)
	}
}

// A walk by user id continues after an id that is too long for the cursor. If that member
// is removed, the walk may return members whose ids have the same beginning again, but
// misses none.
func TestWalkAfterARemovedLongID(t *testing.T) {
	t.Parallel()
	b := setup(t)
	o := b.Org(t, b.account, orgs.Org{IsActive: true})
	made := b.manyMembers(t, o, 30)
	for name, backward := range map[string]bool{"forward": false, "backward": true} {
		t.Run(name, func(t *testing.T) {
			for _, m := range made {
				p := orgs.MemberListParams{OrgID: o.ID, Limit: 100, Order: orgs.ByUserID}
				token := p.TokenAt(b.account, m)
				p.Cursor = token
				if backward {
					p.Cursor, p.Before = "", token
				}
				stays := b.memberPage(t, p).Members
				b.Exec(t, "DELETE FROM org_members WHERE account_id = $1 AND org_id = $2 AND user_id = $3", b.account, o.ID, m.UserID)
				gone := b.memberPage(t, p).Members
				b.Exec(t, "INSERT INTO org_members (account_id, org_id, user_id, roles, added_at, org_created_at) VALUES ($1, $2, $3, $4, $5, $6)",
					b.account, o.ID, m.UserID, append([]string{}, m.Roles...), m.AddedAt, o.CreatedAt)
				var before int
				for _, other := range made {
					if (other.UserID < m.UserID) == backward && other.UserID != m.UserID {
						before++
					}
				}
				if len(stays) != before {
					t.Fatalf("from %s: %d members, want %d", m.UserID, len(stays), before)
				}
				known := map[string]bool{}
				for _, g := range gone {
					known[g.UserID] = true
				}
				for _, s := range stays {
					if !known[s.UserID] {
						t.Fatalf("from %s, which was removed: %s is missing", m.UserID, s.UserID)
					}
				}
				if len(m.UserID) <= cursor.MaxName && len(gone) != len(stays) {
					t.Fatalf("from %s, which was removed: %d members, want %d", m.UserID, len(gone), len(stays))
				}
			}
		})
	}
}

func TestMemberCursorsBelongToTheOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	o := b.Org(t, b.account, orgs.Org{IsActive: true})
	made := b.manyMembers(t, o, 3)
	for from, a := range memberOrders {
		for to, z := range memberOrders {
			t.Run(from+" to "+to, func(t *testing.T) {
				p := orgs.MemberListParams{OrgID: o.ID, Limit: 1, Order: a}
				token := p.TokenAt(b.account, made[0])
				p.Cursor, p.Order = token, z
				if _, err := b.repository.ListMembers(context.Background(), b.account, p); errors.Is(err, orgs.ErrInvalidCursor) != (a != z) {
					t.Errorf("%v", err)
				}
			})
		}
	}
}

// A forged cursor cannot cause a database error.
func TestForgedMemberCursors(t *testing.T) {
	t.Parallel()
	b := setup(t)
	o := b.Org(t, b.account, orgs.Org{IsActive: true})
	p := orgs.MemberListParams{OrgID: o.ID, Limit: 1, Order: orgs.ByUserID}
	for _, first := range []byte{0x7f, 0x80, 0xff} {
		t.Run(fmt.Sprint(first), func(t *testing.T) {
			p := p
			p.Cursor = cursor.EncodeName(cursor.NamePosition{Name: "a", ID: uuid.UUID{first, 1}}, p.Scope(b.account))
			if _, err := b.repository.ListMembers(context.Background(), b.account, p); !errors.Is(err, orgs.ErrInvalidCursor) {
				t.Errorf("%v, want ErrInvalidCursor", err)
			}
		})
	}
}
