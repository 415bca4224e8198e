package events

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"orgd/internal/cursor"
	"orgd/internal/uuid"
)

// sealRow returns the cursor of a row. The row's id is encrypted, because no client may
// learn it; see Event.Row. The key is derived from the account's id, which no client
// knows.
func sealRow(accountID uuid.UUID, row int64, scope []byte) string {
	var id [aes.BlockSize]byte
	binary.BigEndian.PutUint64(id[8:], uint64(row))
	rowCipher(accountID).Encrypt(id[:], id[:])
	return cursor.Encode(cursor.Position{CreatedAt: time.Unix(0, 0), ID: id}, scope)
}

// openRow returns the row of a cursor that sealRow made for the same account and scope.
// Decryption must yield the zeros before the row's id, so a client cannot try out forged
// cursors to find the ids of rows.
func openRow(accountID uuid.UUID, token string, scope []byte) (row int64, err error) {
	at, err := cursor.Decode(token, scope)
	if err != nil {
		return 0, ErrInvalidCursor
	}
	rowCipher(accountID).Decrypt(at.ID[:], at.ID[:])
	row = int64(binary.BigEndian.Uint64(at.ID[8:]))
	if row < 1 || [8]byte(at.ID[:8]) != [8]byte{} {
		return 0, ErrInvalidCursor
	}
	return row, nil
}

func rowCipher(accountID uuid.UUID) cipher.Block {
	key := sha256.Sum256(append([]byte("orgd event cursor\x00"), accountID[:]...))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has the right size
	}
	return block
}
