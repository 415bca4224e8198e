package webhooks

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"orgd/internal/uuid"
)

// The first of several failures of a task is logged, whatever happens to other tasks.
func TestReports(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	r := newReporter(slog.New(slog.NewTextHandler(&log, nil)))
	look := task{name: "look", consequence: "nothing is seen"}
	one, other := look, look
	one.webhookID, other.webhookID = uuid.UUID{15: 1}, uuid.UUID{15: 2}
	failure := errors.New("broken")
	lines := func() int { return strings.Count(log.String(), "nothing is seen") }
	for i, step := range []struct {
		task task
		err  error
		want int
	}{
		{look, nil, 0},
		{look, failure, 1},
		{one, nil, 1},
		{look, failure, 1},
		{one, failure, 2},
		{other, failure, 3},
		{look, nil, 3},
		{one, failure, 3},
		{look, failure, 4},
		{other, nil, 4},
		{other, failure, 5},
	} {
		if r.report(step.task, step.err); lines() != step.want {
			t.Errorf("step %d: %d lines, want %d", i, lines(), step.want)
		}
	}
	first, _, _ := strings.Cut(log.String(), "\n")
	if !strings.Contains(first, `level=WARN msg="nothing is seen" error="look: broken"`) || !strings.Contains(log.String(), FormatID(one.webhookID)) {
		t.Error(log.String())
	}
}
