package idempotency

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/text"
	"orgd/internal/uuid"
)

// Part is the part of a result that concerns one organization.
type Part[T any] struct {
	OrgID  uuid.UUID
	Result T
}

// manifest is stored in the row of the key, in place of a result.
type manifest struct {
	Parts int `json:"Parts"`
}

// OnceEach is Once for a call that concerns several organizations, but it stores no errors.
// Each part of the result has its own row, like the result of a call about one
// organization. The part can therefore be deleted with its organization, and changed when a
// user is erased. If a part was deleted, a retry gets ErrIncomplete.
func OnceEach[T any](ctx context.Context, share db.Share, key Key, effect func(context.Context, db.Querier) ([]Part[T], error)) (results []T, replayed bool, err error) {
	var unstored UnstoredError
	err = key.alone(ctx, share, func(ctx context.Context, q db.Querier, kept []byte) error {
		if kept != nil {
			var first outcome[manifest]
			if err := first.read(kept); err != nil {
				return err
			}
			replayed = true
			results, err = findParts[T](ctx, q, key, first.Result.Parts)
			return err
		}
		parts, err := effect(ctx, q)
		if errors.As(err, &unstored) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, part := range parts {
			results = append(results, part.Result)
		}
		return keepParts(ctx, q, key, parts)
	})
	switch {
	case err != nil:
		return nil, false, err
	case unstored.Err != nil:
		return nil, false, unstored
	}
	return results, replayed, nil
}

// part returns the key digest of a part's row.
func (k Key) part(i int) []byte {
	digest := sha256.Sum256(binary.BigEndian.AppendUint32(k.name[:], uint32(i)))
	return digest[:]
}

// findParts reads the parts. They have not expired, because keyFind has found the manifest
// in the same transaction, and all rows of a call have the same age.
func findParts[T any](ctx context.Context, q db.Querier, key Key, count int) ([]T, error) {
	names := make([][]byte, count)
	places := make(map[string]int, count)
	for i := range names {
		names[i] = key.part(i)
		places[string(names[i])] = i
	}
	rows, err := q.Query(ctx, partsFind, key.accountID, names)
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[storedPart])
	if err != nil {
		return nil, err
	}
	if len(found) < count {
		return nil, ErrIncomplete
	}
	results := make([]T, count)
	for _, part := range found {
		var first outcome[T]
		if err := first.read(part.Result); err != nil {
			return nil, err
		}
		results[places[string(part.Name)]] = first.Result
	}
	return results, nil
}

type storedPart struct{ Name, Result []byte }

// keepParts stores the manifest in the row of the key, and each part in its own row.
func keepParts[T any](ctx context.Context, q db.Querier, key Key, parts []Part[T]) error {
	names, about, results := [][]byte{key.name[:]}, []*uuid.UUID{nil}, make([]string, 1, len(parts)+1)
	for i, part := range parts {
		kept, err := text.MarshalJSON(outcome[T]{Result: part.Result})
		if err != nil {
			return err
		}
		names, about, results = append(names, key.part(i)), append(about, &part.OrgID), append(results, string(kept))
	}
	first, err := text.MarshalJSON(outcome[manifest]{Result: manifest{len(parts)}})
	if err != nil {
		return err
	}
	results[0] = string(first)
	_, err = q.Exec(ctx, partsKeep, key.accountID, key.call[:], names, about, results)
	return err
}
