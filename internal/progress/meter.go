package progress

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Meter shows the speed and the remaining time of a task. On a terminal it redraws one
// line. Otherwise it writes a new line every 10 seconds.
type Meter struct {
	w          io.Writer
	unit       string
	isTerminal bool
	now        func() time.Time

	begun, shown time.Time
	length       int // of the line on the terminal
}

const (
	redrawEvery = 100 * time.Millisecond
	lineEvery   = 10 * time.Second
)

// NewMeter returns a meter for a task that starts now. unit is the plural noun for what the
// task counts, such as "organizations".
func NewMeter(w io.Writer, unit string) *Meter {
	m := &Meter{w: w, unit: unit, isTerminal: IsTerminal(w), now: time.Now}
	m.begun = m.now()
	m.shown = m.begun
	return m
}

// Set shows the number of finished units, and the share of the task that is finished. The
// share is 0 if it is unknown.
func (m *Meter) Set(done int, share float64) {
	now := m.now()
	every := lineEvery
	if m.isTerminal {
		every = redrawEvery
	}
	if now.Sub(m.shown) < every {
		return
	}
	m.shown = now
	share = min(share, 1)
	line := m.line(done, share, now.Sub(m.begun))
	if !m.isTerminal {
		fmt.Fprintln(m.w, line)
		return
	}
	if share > 0 {
		const width = 30
		filled := int(width * share)
		line = "[" + strings.Repeat("#", filled) + strings.Repeat(" ", width-filled) + "] " + line
	}
	fmt.Fprintf(m.w, "\r%-*s", m.length, line)
	m.length = len(line)
}

func (m *Meter) line(done int, share float64, took time.Duration) string {
	line := fmt.Sprintf("%d %s, %d per second", done, m.unit, int(float64(done)/max(took.Seconds(), 0.001)))
	if share > 0 {
		left := time.Duration(float64(took) * (1 - share) / share)
		line = fmt.Sprintf("%3d%%, %s, %s left", int(100*share), line, left.Round(time.Second))
	}
	return line
}

// Clear removes the line from a terminal, so that something else can be written.
func (m *Meter) Clear() {
	if m.length > 0 {
		fmt.Fprintf(m.w, "\r%-*s\r", m.length, "")
		m.length = 0
	}
}
