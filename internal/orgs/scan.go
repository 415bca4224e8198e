package orgs

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/uuid"
)

// binaryResults requests every column in PostgreSQL's binary format, which readOrg
// decodes. Its type is any, so that calls do not allocate the interface value.
var binaryResults any = pgx.QueryResultFormats{pgx.BinaryFormatCode}

const orgColumns = `org_id, org_name, is_active, metadata, user_count, created_at, updated_at, ` +
	`created_by_api_key_id, created_by_user_id, external_id, revision`

var orgWidth = strings.Count(orgColumns, ",") + 1

// prefixed puts a prefix before each of the columns.
func prefixed(prefix, columns string) string {
	return prefix + strings.ReplaceAll(columns, ", ", ", "+prefix)
}

// collected is the result of one of a list's statements.
type collected struct {
	orgs  []Org
	bytes int  // an upper bound of the size of the organizations and memberships in JSON
	full  bool // the next organization does not fit into the page
	more  bool // more organizations follow those that the statement has read

	memberships []Membership // one for each organization, in the list of a user
	keys        []string     // one for each organization, in an order by name
}

// collectOrgs reads rows of orgColumns. In an order by name, the key follows them; in the
// list of a user, the membership comes last. collectOrgs reads as many rows as fit into
// maxBytes, but at least one. want is the limit of the statement.
//
// On this hot path, collectOrgs replaces pgx's collecting generics: it allocates for each
// page, not for each row (BenchmarkList: 35 allocations for 100 rows, including the
// statement).
//
// A row of NULLs is not an organization: with it, a statement such as orgListNearby reports
// that more organizations follow.
func collectOrgs(rows pgx.Rows, want, maxBytes int) (collected, error) {
	defer rows.Close()
	found := collected{orgs: make([]Org, 0, want)}
	var texts arena
	texts.Grow(want * typicalText)
	for rows.Next() {
		columns := rows.RawValues()
		if columns[0] == nil {
			found.more = true
			continue
		}
		columns, member := columns[:orgWidth], columns[orgWidth:]
		var key []byte
		if len(member)%2 > 0 { // a membership has two columns
			key, member = member[0], member[1:]
		}
		size := encodedSize(columns, member)
		if found.full = len(found.orgs) > 0 && found.bytes+size > maxBytes; found.full {
			break
		}
		var o Org
		if err := readOrg(columns, &o, &texts); err != nil {
			return collected{}, err
		}
		found.orgs = append(found.orgs, o)
		if len(member) > 0 {
			found.memberships = append(found.memberships, readMembership(member))
		}
		if key != nil {
			found.keys = append(found.keys, texts.keep(key))
		}
		found.bytes += size
	}
	rows.Close() // reads the remaining rows, which may report an error
	return found, rows.Err()
}

// encodedSize returns an upper bound of the number of bytes that internal/http writes for
// a row. Escaping turns one byte into at most six. Metadata is written unchanged.
func encodedSize(column, member [][]byte) int {
	const (
		names  = 380 // the names of the fields, and the values of a fixed size
		escape = 6
	)
	membership := 0
	if len(member) > 0 {
		membership = 80 + 3*MaxRoles + len(member[0])
	}
	return membership + names + escape*(len(column[1])+len(column[8])+len(column[9])) + len(column[3])
}

// typicalText is the size in bytes of a typical name and its metadata.
const typicalText = 160

// arena stores the texts of a page in a few large allocations. The strings that it returns
// stay valid, because a strings.Builder only appends.
type arena struct{ strings.Builder }

// An arena grows by allocating new pieces, so that nothing is copied. Each piece is twice
// as large as the previous one, because most arenas hold one organization, but some hold
// a page.
const (
	firstPiece   = 256
	largestPiece = 32 << 10
)

func (a *arena) keep(text []byte) string {
	if len(text) > a.Cap()-a.Len() {
		size := max(min(2*a.Cap(), largestPiece), firstPiece, len(text))
		a.Builder = strings.Builder{}
		a.Grow(size)
	}
	start := a.Len()
	a.Write(text)
	return a.String()[start:]
}

func scanVersioned(row pgx.CollectableRow) (Org, error) { return readVersioned(row.RawValues()) }

// readVersioned reads orgColumns followed by the version.
func readVersioned(columns [][]byte) (o Org, err error) {
	var texts arena
	last := len(columns) - 1
	o.Version = int64(binary.BigEndian.Uint64(columns[last]))
	return o, readOrg(columns[:last], &o, &texts)
}

func readOrg(column [][]byte, o *Org, texts *arena) error {
	const jsonbVersion = 1
	if len(column) != 11 || len(column[0]) != 16 || len(column[2]) != 1 ||
		len(column[3]) < 3 || column[3][0] != jsonbVersion ||
		len(column[4]) != 4 || len(column[5]) != 8 || len(column[6]) != 8 || len(column[10]) != 8 {
		return fmt.Errorf("orgs: row does not have %s in binary format", orgColumns)
	}
	o.ID = uuid.UUID(column[0])
	o.Name = texts.keep(column[1])
	o.IsActive = column[2][0] == 1
	o.Metadata = "{}"
	if json := column[3][1:]; string(json) != "{}" {
		o.Metadata = Metadata(texts.keep(json))
	}
	o.UserCount = int32(binary.BigEndian.Uint32(column[4]))
	o.CreatedAt = readTime(column[5])
	o.UpdatedAt = readTime(column[6])
	copy(o.CreatedByAPIKeyID[:], column[7]) // NULL leaves it zero
	o.CreatedByUserID = texts.keep(column[8])
	o.ExternalID = texts.keep(column[9])
	o.Revision = int64(binary.BigEndian.Uint64(column[10]))
	return nil
}

// readMembership reads the two columns of a membership: the roles, joined by commas, and
// added_at.
func readMembership(column [][]byte) Membership {
	m := Membership{AddedAt: readTime(column[1])}
	if len(column[0]) > 0 {
		m.Roles = strings.Split(string(column[0]), ",")
	}
	return m
}

// readTime decodes a timestamptz, which is in microseconds since 2000. The result is in
// UTC.
func readTime(b []byte) time.Time {
	const epoch = 946_684_800_000_000
	return time.UnixMicro(int64(binary.BigEndian.Uint64(b)) + epoch).UTC()
}
