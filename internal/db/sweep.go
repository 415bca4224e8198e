package db

import "context"

const sweepBatch = 1000

// Sweep deletes old rows in small transactions and returns how many it deleted. The
// statement must delete at most $1 rows. If another replica is sweeping under the same
// lock, Sweep does nothing.
func (p *Pool) Sweep(ctx context.Context, lockID int64, statement string) (int64, error) {
	var swept int64
	for {
		deleted, err := p.sweepOnce(ctx, lockID, statement)
		swept += deleted
		if err != nil || deleted < sweepBatch {
			return swept, err
		}
	}
}

func (p *Pool) sweepOnce(ctx context.Context, lockID int64, statement string) (deleted int64, err error) {
	err = p.WriteTx(ctx, func(ctx context.Context, q Querier) error {
		locked, err := TryLock(ctx, q, lockID)
		if err != nil || !locked {
			return err
		}
		tag, err := q.Exec(ctx, statement, sweepBatch)
		deleted = tag.RowsAffected()
		return err
	})
	return deleted, err
}
