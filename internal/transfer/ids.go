package transfer

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// ids derives an id for each organization whose line has none. The same file always gives
// the same ids, so a repeated import finds the organizations of the first.
type ids struct {
	accountID uuid.UUID
	// lines counts the equal lines that have neither an id nor an external id, by the first
	// 8 bytes of their digest.
	lines map[[8]byte]uint32
}

// derive sets the id of the organization on the line, if it has none.
func (s *ids) derive(o *orgs.ImportOrg, line []byte) {
	switch {
	case o.IDIsOwn:
	case o.ExternalID != "":
		o.ID = s.newID("external id", []byte(o.ExternalID), 0, o.CreatedAt)
	default:
		digest := sha256.Sum256(line)
		key := [8]byte(digest[:])
		o.ID = s.newID("line", digest[:], s.lines[key], o.CreatedAt)
		s.lines[key]++
	}
}

// newID returns a UUID that begins with createdAt, like the ids that the API creates
// (version 7). Without createdAt, the whole id is a digest (version 8). before is the number
// of equal lines before this one.
func (s *ids) newID(kind string, of []byte, before uint32, createdAt time.Time) uuid.UUID {
	text := append([]byte("orgd import\x00"), s.accountID[:]...)
	text = append(append(text, kind...), 0)
	text = binary.BigEndian.AppendUint32(text, before)
	digest := sha256.Sum256(append(text, of...))
	if !createdAt.IsZero() {
		return uuid.V7(createdAt, [10]byte(digest[:]))
	}
	id := uuid.UUID(digest[:16])
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	return id
}
