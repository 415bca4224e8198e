package transfer

import (
	"context"
	"fmt"
	"io"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// exportBuffer is how many bytes Export writes at once.
const exportBuffer = 256 << 10

// Exported counts what an export has written.
type Exported struct {
	Orgs, Members int
	LongestLine   int // in bytes
}

// Export writes the account's organizations, one per line. progress gets the number of
// organizations written so far, and the number of all organizations.
func Export(ctx context.Context, repository *orgs.Repository, account uuid.UUID, w io.Writer, progress func(done, all int)) (e Exported, err error) {
	var all int
	var lines []byte
	flush := func() error {
		if _, err := w.Write(lines); err != nil {
			return fmt.Errorf("the output cannot be written: %w", err)
		}
		lines = lines[:0]
		progress(e.Orgs, all)
		return nil
	}
	err = repository.Export(ctx, account, func(total int) { all = total }, func(o *orgs.Exported) error {
		before := len(lines)
		lines = appendLine(lines, o)
		e.Orgs++
		e.Members += len(o.Members)
		e.LongestLine = max(e.LongestLine, len(lines)-before)
		if len(lines) < exportBuffer {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	return e, err
}
