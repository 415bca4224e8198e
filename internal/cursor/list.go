package cursor

import (
	"context"
	"fmt"
)

// List is a list of small entries, ordered by (created_at, id), newest first.
type List[T any] struct {
	Scope []byte // see Encode
	// First reads the first page. Its parameters are those of the list and the number of
	// entries. Next reads the page after created_at and id, which are its last parameters.
	First, Next string
	Read        func(ctx context.Context, sql string, args ...any) ([]T, error)
	PositionOf  func(T) Position
}

// Page returns the page after the token, or the first page if the token is empty, and the
// token of the page after it, which is empty if there is none. Errors: ErrInvalid and
// those of Read.
func (l List[T]) Page(ctx context.Context, limit int, token string, args ...any) (page []T, next string, err error) {
	if limit < 1 || limit > MaxLimit {
		return nil, "", fmt.Errorf("cursor: limit %d is not from 1 to %d", limit, MaxLimit)
	}
	sql, args := l.First, append(args, limit+1)
	if token != "" {
		after, err := Decode(token, l.Scope)
		if err != nil {
			return nil, "", err
		}
		sql, args = l.Next, append(args, after.CreatedAt, after.ID)
	}
	found, err := l.Read(ctx, sql, args...)
	if err != nil || len(found) <= limit {
		return found, "", err
	}
	found = found[:limit]
	return found, Encode(l.PositionOf(found[limit-1]), l.Scope), nil
}
