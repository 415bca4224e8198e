package telemetry

import (
	"log"
	"log/slog"
	"strings"
)

// LogStandard makes the standard library's logger, which is global, log to logger instead
// of standard error.
func LogStandard(logger *slog.Logger) {
	log.SetFlags(0)
	log.SetOutput(standardLog{logger})
}

// standardLog logs the lines of the standard library without the values that they quote.
// net/http quotes data that a server sends without a request, so the receiver of a webhook
// could write into the log. The level is debug, because the receiver could also cause many
// lines.
type standardLog struct{ logger *slog.Logger }

func (l standardLog) Write(line []byte) (int, error) {
	about, _, _ := strings.Cut(string(line), `"`)
	l.logger.Debug("the standard library reports a problem", "about", strings.TrimSpace(about))
	return len(line), nil
}
