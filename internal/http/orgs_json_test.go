package http_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	orgdhttp "orgd/internal/http"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// wireOrg is an organization for encoding/json, with the fields in the order of the API.
type wireOrg struct {
	CreatedAt         string          `json:"createdAt"`
	IsActive          bool            `json:"isActive"`
	OrgID             string          `json:"orgId"`
	OrgName           string          `json:"orgName"`
	UpdatedAt         string          `json:"updatedAt"`
	UserCount         int32           `json:"userCount"`
	CreatedByAPIKeyID string          `json:"createdByApiKeyId,omitempty"`
	CreatedByUserID   string          `json:"createdByUserId,omitempty"`
	Metadata          json.RawMessage `json:"metadata,omitempty"`
	ExternalID        string          `json:"externalId,omitempty"`
	Revision          int64           `json:"revision"`
	Membership        *wireMembership `json:"membership,omitempty"`
}

type wireMembership struct {
	Roles   []string `json:"roles,omitempty"`
	AddedAt string   `json:"addedAt"`
}

type wirePage struct {
	HasMore       bool      `json:"hasMore"`
	Organizations []wireOrg `json:"organizations"`
	Cursor        string    `json:"cursor,omitempty"`
}

func wireTime(t time.Time) string {
	if t.Nanosecond() == 0 {
		return t.UTC().Format("2006-01-02T15:04:05Z")
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000Z")
}

func toWire(p orgs.Page) wirePage {
	w := wirePage{HasMore: p.Cursor != "", Cursor: p.Cursor, Organizations: []wireOrg{}}
	for i, o := range p.Orgs {
		one := wireOrg{
			CreatedAt: wireTime(o.CreatedAt), IsActive: o.IsActive, OrgID: "org_" + hex.EncodeToString(o.ID[:]),
			OrgName: o.Name, UpdatedAt: wireTime(o.UpdatedAt), UserCount: o.UserCount,
		}
		if o.CreatedByAPIKeyID != (uuid.UUID{}) {
			one.CreatedByAPIKeyID = o.CreatedByAPIKeyID.String()
		}
		one.CreatedByUserID, one.ExternalID, one.Revision = o.CreatedByUserID, o.ExternalID, o.Revision
		if o.Metadata != "{}" {
			one.Metadata = json.RawMessage(o.Metadata)
		}
		if p.Memberships != nil {
			one.Membership = &wireMembership{Roles: p.Memberships[i].Roles, AddedAt: wireTime(p.Memberships[i].AddedAt)}
		}
		w.Organizations = append(w.Organizations, one)
	}
	return w
}

func encodingJSON(t testing.TB, v any) []byte {
	t.Helper()
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

func FuzzAppendPage(f *testing.F) {
	f.Add("Acme", "pro", "cursor", int64(1_767_225_600_000_001), int64(1_767_225_600_000_000), int32(3), true, []byte("0123456789abcdef"))
	f.Add("", "", "", int64(0), int64(0), int32(0), false, []byte{})
	f.Fuzz(func(t *testing.T, name, value, cursor string, created, updated int64, users int32, active bool, ids []byte) {
		// Limit the years to four digits.
		created, updated = abs(created)%253_402_300_799_999_999, abs(updated)%253_402_300_799_999_999
		full := orgs.Org{
			Name: name, IsActive: active, UserCount: users,
			CreatedAt: time.UnixMicro(created), UpdatedAt: time.UnixMicro(updated),
			Metadata: orgs.Metadata(encodingJSON(t, map[string]string{"key": value})),
		}
		copy(full.ID[:], ids)
		copy(full.CreatedByAPIKeyID[:], ids)
		full.CreatedByUserID, full.ExternalID, full.Revision = string(ids), name+value, created
		bare := orgs.Org{Name: name, Metadata: "{}", CreatedAt: time.UnixMicro(updated), UpdatedAt: time.UnixMicro(created)}
		for _, memberships := range [][]orgs.Membership{
			nil,
			{{AddedAt: full.CreatedAt}, {Roles: []string{"owner"}, AddedAt: full.UpdatedAt}},
			{{Roles: []string{"billing:read", "editor", "owner"}, AddedAt: full.UpdatedAt}, {AddedAt: full.CreatedAt}},
		} {
			p := orgs.Page{Orgs: []orgs.Org{full, bare}, Memberships: memberships, Cursor: cursor}
			if got, want := orgdhttp.AppendPage(nil, p), encodingJSON(t, toWire(p)); !bytes.Equal(got, want) {
				t.Errorf("appendPage:\n%s\nwant\n%s", got, want)
			}
		}
	})
}

func abs(n int64) int64 {
	if n < 0 {
		return -(n + 1)
	}
	return n
}

func samplePage(n int) orgs.Page {
	p := orgs.Page{Cursor: strings.Repeat("A", 44)}
	for i := range n {
		p.Orgs = append(p.Orgs, orgs.Org{
			ID: uuid.NewV7(), Name: fmt.Sprintf("Société Générale %d", i), IsActive: true, UserCount: int32(i),
			CreatedAt: time.UnixMicro(1_767_225_600_000_001), UpdatedAt: time.UnixMicro(1_767_225_600_000_001),
			CreatedByAPIKeyID: uuid.NewV7(), Metadata: `{"plan": "pro", "region": "eu-central-1"}`, Revision: 1,
		})
	}
	return p
}

func BenchmarkAppendPage(b *testing.B) {
	p := samplePage(100)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = orgdhttp.AppendPage(buf[:0], p)
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkEncodingJSONPage(b *testing.B) {
	p := samplePage(100)
	b.ReportAllocs()
	for b.Loop() {
		encodingJSON(b, toWire(p))
	}
}
