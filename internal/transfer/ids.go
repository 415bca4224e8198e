package transfer

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// ids derives the ids of organizations that have none on their lines, so that the same
// file gives the same ids again.
type ids struct {
	accountID uuid.UUID
	// lines counts the equal lines that have neither an id nor an external id, by half of
	// their digest.
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

// newID returns a UUID that begins with createdAt, as that of an organization that was
// created by the API does. Without createdAt, all of it is a digest (version 8).
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
