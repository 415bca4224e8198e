package main

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

type uuid [16]byte

// appendPage appends the page object: at most limit rows, and a cursor if there are more.
func appendPage(b []byte, rows pgx.Rows, limit int) ([]byte, error) {
	b = append(b, `{"organizations":[`...)
	var lastCreated time.Time
	var lastID uuid
	more := false
	for n := 0; rows.Next(); n++ {
		if n == limit {
			more = true
			continue
		}
		column := rows.RawValues()
		lastCreated, lastID = readTime(column[5]), uuid(column[0])
		if n > 0 {
			b = append(b, ',')
		}
		b = appendOrg(b, column)
	}
	b = append(b, `],"hasMore":`...)
	b = strconv.AppendBool(b, more)
	if more {
		b = append(b, `,"cursor":"`...)
		b = append(b, encodeCursor(lastCreated, lastID)...)
		b = append(b, '"')
	}
	return append(b, '}', '\n'), rows.Err()
}

// appendOrg appends the organization object. Its columns are in binary format, except
// metadata, for which pgx prefers text.
func appendOrg(b []byte, column [][]byte) []byte {
	b = append(b, `{"createdAt":"`...)
	b = readTime(column[5]).AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","isActive":`...)
	b = strconv.AppendBool(b, column[2][0] == 1)
	b = append(b, `,"orgId":"org_`...)
	b = hex.AppendEncode(b, column[0])
	b = append(b, `","orgName":`...)
	name, _ := json.Marshal(string(column[1])) // json.Marshal never fails for a string
	b = append(b, name...)
	b = append(b, `,"updatedAt":"`...)
	b = readTime(column[6]).AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","userCount":`...)
	b = strconv.AppendInt(b, int64(int32(binary.BigEndian.Uint32(column[4]))), 10)
	return append(appendNew(appendOptional(b, column), column), '}')
}

func appendOptional(b []byte, column [][]byte) []byte {
	if column[7] != nil {
		b = append(b, `,"createdByApiKeyId":"`...)
		b = appendUUID(b, column[7])
		b = append(b, '"')
	}
	if column[8] != nil {
		b = append(b, `,"createdByUserId":`...)
		user, _ := json.Marshal(string(column[8])) // json.Marshal never fails for a string
		b = append(b, user...)
	}
	if column[3] != nil {
		b = append(b, `,"metadata":`...)
		b = append(b, column[3]...)
	}
	return b
}

// appendNew appends the fields that the official clients do not know. They come last.
func appendNew(b []byte, column [][]byte) []byte {
	if column[9] != nil {
		b = append(b, `,"externalId":`...)
		id, _ := json.Marshal(string(column[9])) // json.Marshal never fails for a string
		b = append(b, id...)
	}
	b = append(b, `,"revision":`...)
	return strconv.AppendUint(b, binary.BigEndian.Uint64(column[10]), 10)
}

// readTime decodes microseconds since the start of 2000.
func readTime(b []byte) time.Time {
	const epoch = 946_684_800_000_000
	return time.UnixMicro(int64(binary.BigEndian.Uint64(b)) + epoch).UTC()
}

func appendUUID(b, u []byte) []byte {
	b = hex.AppendEncode(b, u[:4])
	b = append(b, '-')
	b = hex.AppendEncode(b, u[4:6])
	b = append(b, '-')
	b = hex.AppendEncode(b, u[6:8])
	b = append(b, '-')
	b = hex.AppendEncode(b, u[8:10])
	b = append(b, '-')
	return hex.AppendEncode(b, u[10:])
}
