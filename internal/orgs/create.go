package orgs

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// creation is an organization ready to be made.
type creation struct {
	Call
	name     string
	metadata string
	digest   []byte // of all that the call says; nil where its key names it
}

func newCreation(c Call, n NewOrg) (creation, error) {
	metadata, err := encodeMetadata(n.Metadata)
	if err != nil {
		return creation{}, err
	}
	made := creation{Call: c, name: n.Name, metadata: metadata}
	if c.IdempotencyKey != "" {
		return made, nil
	}
	said, err := json.Marshal([]any{c.AccountID, c.KeyID, c.UserID, n.Name, metadata})
	if err != nil {
		return creation{}, err
	}
	digest := sha256.Sum256(said)
	made.digest = digest[:]
	return made, nil
}

// lockID is where creations that say the same meet: the first tries share the
// lock, a repeat wants it alone. Without a digest there is none.
func (c creation) lockID() *int64 {
	if c.digest == nil {
		return nil
	}
	id := int64(binary.BigEndian.Uint64(c.digest))
	return &id
}

func (c creation) run(ctx context.Context, q db.Querier) (Org, error) {
	rows, err := q.Query(ctx, orgCreate, binaryResults, c.AccountID, uuid.NewV7(), c.name, Fold(c.name), c.metadata,
		orNull(c.KeyID), orNull(c.UserID), eventCreated, c.RequestID, c.lockID(), c.digest)
	if err != nil {
		return Org{}, err
	}
	return pgx.CollectExactlyOneRow(rows, scanVersioned)
}

// createAgain returns the organization that the newest creation with the same
// digest made, or makes it. The lock comes first, in a statement of its own: what
// a first try has committed is in the next statement's snapshot, and one that
// still runs keeps the lock from us.
func (r *Repository) createAgain(ctx context.Context, c creation) (Changed, error) {
	var changed Changed
	err := r.db.For(c.AccountID).WriteTx(ctx, func(ctx context.Context, q db.Querier) error {
		locked, err := db.TryLock(ctx, q, *c.lockID())
		if err != nil {
			return err
		}
		if !locked {
			return ErrInProgress
		}
		rows, err := q.Query(ctx, orgCreated, binaryResults, c.AccountID, c.digest)
		if err != nil {
			return err
		}
		found, err := pgx.CollectRows(rows, scanVersioned)
		if err != nil {
			return err
		}
		if len(found) > 0 {
			changed = Changed{Org: found[0], Replayed: true}
			return nil
		}
		changed.Org, err = c.run(ctx, q)
		return err
	})
	return changed, err
}

// Sweep forgets the creations that are too old to be repeated, unless another
// replica does, and returns how many.
func (r *Repository) Sweep(ctx context.Context) (int64, error) {
	swept, err := r.db.Sweep(ctx, sweepLock, creationSweep)
	if err != nil {
		return swept, fmt.Errorf("sweep creations: %w", err)
	}
	return swept, nil
}

const sweepLock = 0x6f7267642d6f7267 // "orgd-org"

// encodeMetadata writes a JSON object for PostgreSQL, its keys in order.
func encodeMetadata(m map[string]string) (string, error) {
	if len(m) == 0 {
		return "{}", nil
	}
	text, err := json.Marshal(m)
	return string(text), err
}

// orNull makes NULL of the zero id.
func orNull(id uuid.UUID) *uuid.UUID {
	if id == (uuid.UUID{}) {
		return nil
	}
	return &id
}
