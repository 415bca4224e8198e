package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// progress is a progress bar, shown only on a terminal.
type progress struct {
	w       io.Writer
	total   int
	visible bool
}

func newProgress(w io.Writer, total int) *progress {
	return &progress{w: w, total: total, visible: isTerminal(w) && total > 0}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (p *progress) set(done int) {
	if !p.visible {
		return
	}
	const width = 40
	filled := width * done / p.total
	fmt.Fprintf(p.w, "\r[%s%s] %d of %d organizations", strings.Repeat("#", filled), strings.Repeat(" ", width-filled), done, p.total)
}

// done ends the line of the bar.
func (p *progress) done() {
	if p.visible {
		fmt.Fprintln(p.w)
	}
}
