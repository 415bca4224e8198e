// Package progress shows the progress of a task on a terminal.
package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// Bar is a one-line progress bar. It writes only to a terminal.
type Bar struct {
	w       io.Writer
	total   int
	unit    string
	visible bool
}

// New returns a bar for a task of total units. unit is the plural noun for them, such as
// "organizations".
func New(w io.Writer, total int, unit string) *Bar {
	return &Bar{w: w, total: total, unit: unit, visible: IsTerminal(w) && total > 0}
}

// IsTerminal reports whether w writes to a terminal.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Set shows the number of finished units.
func (b *Bar) Set(done int) {
	if b.visible {
		fmt.Fprint(b.w, "\r", b.line(done))
	}
}

func (b *Bar) line(done int) string {
	const width = 40
	filled := width * done / b.total
	return fmt.Sprintf("[%s%s] %3d%%, %d of %d %s", strings.Repeat("#", filled), strings.Repeat(" ", width-filled), 100*done/b.total, done, b.total, b.unit)
}

// Done ends the line of the bar.
func (b *Bar) Done() {
	if b.visible {
		fmt.Fprintln(b.w)
	}
}
