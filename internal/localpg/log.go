package localpg

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

const (
	logFile     = "postgres.log"
	maxLogBytes = 4 << 20
	// An error message carries no more of the log than this.
	tailBytes = 4 << 10
	tailLines = 15
)

// openLog opens the log to add to it. One that has grown big begins anew.
func (p *place) openLog() (*os.File, error) {
	f, err := p.files.OpenFile(logFile, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(p.owner.own(p.files, logFile), shorten(f)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func shorten(log *os.File) error {
	n, err := size(log)
	if err != nil || n <= maxLogBytes {
		return err
	}
	return log.Truncate(0)
}

func size(log *os.File) (int64, error) {
	info, err := log.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// withTail adds the last lines of what the log has after from.
func withTail(err error, log *os.File, from int64) error {
	n, sizeErr := size(log)
	if sizeErr != nil {
		return errors.Join(err, sizeErr)
	}
	from = max(from, n-tailBytes)
	text := make([]byte, max(0, n-from))
	if _, readErr := log.ReadAt(text, from); readErr != nil {
		return errors.Join(err, readErr)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	lines = lines[max(0, len(lines)-tailLines):]
	return fmt.Errorf("%w; the end of %s:\n%s", err, log.Name(), strings.Join(lines, "\n"))
}
