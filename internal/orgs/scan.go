package orgs

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/uuid"
)

// binaryResults asks for every column in PostgreSQL's binary format, which
// readOrg takes apart. An any already, or each call would make it one.
var binaryResults any = pgx.QueryResultFormats{pgx.BinaryFormatCode}

const orgColumns = `org_id, org_name, is_active, metadata, user_count, created_at, updated_at, ` +
	`created_by_api_key_id, created_by_user_id`

// collected is what a statement of a list has returned.
type collected struct {
	orgs   []Org
	bytes  int  // at least what the organizations take in JSON
	full   bool // the page has no room for the organization that follows
	goesOn bool // orgListNearby: the walk goes on
}

// collectOrgs reads at most want rows of orgColumns, and no more than fit into
// maxBytes; the first always fits. It stands in for pgx's collecting generics on
// the one hot path, and allocates for a page, not for each row of it
// (BenchmarkList: 26 times for 100 rows, statement and all).
//
// A row of NULLs (orgListNearby) is no organization: it says that the walk goes on.
func collectOrgs(rows pgx.Rows, want, maxBytes int) (collected, error) {
	defer rows.Close()
	found := collected{orgs: make([]Org, 0, want)}
	var texts arena
	texts.Grow(want * typicalText)
	for rows.Next() {
		columns := rows.RawValues()
		if columns[0] == nil {
			found.goesOn = true
			continue
		}
		size := encodedSize(columns)
		if found.full = len(found.orgs) > 0 && found.bytes+size > maxBytes; found.full {
			break
		}
		var o Org
		if err := readOrg(columns, &o, &texts); err != nil {
			return collected{}, err
		}
		found.orgs = append(found.orgs, o)
		found.bytes += size
	}
	rows.Close() // an error shows only when the rest of the rows has been read
	return found, rows.Err()
}

// encodedSize is at least what internal/http writes for a row. An escape takes at
// most six bytes for one; metadata stays as it is.
func encodedSize(column [][]byte) int {
	const (
		names  = 330 // of the fields, and the values that have a fixed size
		escape = 6
	)
	return names + escape*len(column[1]) + len(column[3])
}

// typicalText is the bytes of a common name and its metadata.
const typicalText = 160

// arena keeps the texts of a page in a few large allocations. A string that it
// returned stays valid: a strings.Builder only ever appends.
type arena struct{ strings.Builder }

// An arena grows by a new piece, so that nothing is copied: each twice the size of the
// one before, since most hold one organization and some a page.
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

// readVersioned reads orgColumns and the version.
func readVersioned(columns [][]byte) (o Org, err error) {
	var texts arena
	last := len(columns) - 1
	o.Version = int64(binary.BigEndian.Uint64(columns[last]))
	return o, readOrg(columns[:last], &o, &texts)
}

func readOrg(column [][]byte, o *Org, texts *arena) error {
	const jsonbVersion = 1
	if len(column) != 9 || len(column[0]) != 16 || len(column[2]) != 1 ||
		len(column[3]) < 3 || column[3][0] != jsonbVersion ||
		len(column[4]) != 4 || len(column[5]) != 8 || len(column[6]) != 8 {
		return fmt.Errorf("orgs: a row that is not %s in binary", orgColumns)
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
	copy(o.CreatedByUserID[:], column[8])
	return nil
}

// readTime reads microseconds since 2000, in UTC.
func readTime(b []byte) time.Time {
	const epoch = 946_684_800_000_000
	return time.UnixMicro(int64(binary.BigEndian.Uint64(b)) + epoch).UTC()
}
