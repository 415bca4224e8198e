package http

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"orgd/internal/cursor"
	"orgd/internal/orgs"
	"orgd/internal/text"
)

const (
	ndjsonType = "application/x-ndjson"
	// exportTries is how often an export tries to read a page while the database is
	// unavailable or too many requests are in flight. exportRetry is the time between two
	// tries.
	exportTries = 10
	exportRetry = time.Second
)

// exportParameters are the parameters of an export: those of the list, except limit, before
// and total.
var exportParameters = func() parameters {
	ps := listParameters
	ps.named = maps.Clone(ps.named)
	for _, name := range []string{"limit", "before", "total"} {
		delete(ps.named, name)
	}
	return ps
}()

// export is an open export: a list of organizations in one response, with a JSON object on
// each line. It counts as a waiting request, and takes a slot and memory only while it
// reads and sends a page, so a client that reads slowly holds nothing that others need.
type export struct {
	*waiting
	params orgs.ListParams
	count  int
}

// offerExport serves the list as an export if the client wants one.
func (s *Server) offerExport(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if prefers(c.Request().Header, ndjsonType) {
			return s.exportOrgs(c)
		}
		return next(c)
	}
}

func offerList(next echo.HandlerFunc) echo.HandlerFunc {
	return requireJSON(next, "Responses are application/json or application/x-ndjson. Send Accept with one of them, or no Accept header.")
}

// exportOrgs sends the whole list. The last line says whether it is complete.
func (s *Server) exportOrgs(c echo.Context) error {
	p, err := exportParameters.parse(c.Request().URL.RawQuery)
	if err != nil {
		return err
	}
	p.Limit = cursor.MaxLimit
	page, err := s.readExport(c, p.ListParams)
	if err != nil {
		return err
	}
	w, err := s.beginStream(c, ndjsonType)
	if err != nil {
		return err
	}
	defer w.endStream()
	if c.Request().Method == http.MethodHead {
		return nil
	}
	e := export{waiting: w, params: p.ListParams}
	return e.run(page)
}

// readExport reads a page while the request holds a slot and the memory for it.
func (s *Server) readExport(c echo.Context, p orgs.ListParams) (page orgs.Page, err error) {
	ctx, cancel := context.WithTimeout(c.Request().Context(), requestDeadline)
	defer cancel()
	err = s.inFlight(c, orgPageAnswer, func() (err error) {
		page, err = s.cfg.Orgs.List(ctx, callerOf(c).AccountID, p)
		return listError(err)
	})
	return page, err
}

// run sends the page and all that follow. The error that it returns is only logged.
func (e *export) run(page orgs.Page) error {
	for {
		if err := e.send(page); err != nil {
			return err
		}
		if e.params.Cursor = page.Cursor; page.Cursor == "" {
			return e.finish()
		}
		var err error
		if page, err = e.next(); err != nil {
			if e.isOver() {
				err = nil
			}
			return errors.Join(err, e.finish())
		}
	}
}

// next reads the next page. It pauses for as long as the read took, so that an export keeps
// the database busy for at most half of the time.
func (e *export) next() (orgs.Page, error) {
	for try := 1; ; try++ {
		begun := time.Now()
		page, err := e.read()
		if err == nil {
			return page, e.sleep(time.Since(begun))
		}
		if try == exportTries || !isTemporary(err) && !isOverload(err) {
			return orgs.Page{}, err
		}
		e.server.release(e.c)
		if err := e.sleep(exportRetry); err != nil {
			return orgs.Page{}, err
		}
	}
}

// read reads the page after the cursor, if the key is still valid.
func (e *export) read() (orgs.Page, error) {
	if err := e.server.stillAllowed(e.c); err != nil {
		return orgs.Page{}, err
	}
	return e.server.readExport(e.c, e.params)
}

// isOverload reports whether too many requests are in flight.
func isOverload(err error) bool {
	limited, ok := errors.AsType[*apiError](err)
	return ok && (limited.code == codeRateLimited || limited.code == codeUnavailable)
}

// send sends the organizations of a page.
func (e *export) send(page orgs.Page) error {
	body := bodies.get(page.Bytes + len(page.Orgs))
	defer bodies.put(body)
	for i := range page.Orgs {
		*body = appendListed(*body, page, i)
		*body = append(*body, '\n')
	}
	e.count += len(page.Orgs)
	return e.write(*body)
}

// finish sends the last line. If the export is not complete, the line has a cursor from
// which another export can continue.
func (e *export) finish() error {
	line, err := text.MarshalJSON(struct {
		Complete bool   `json:"complete"`
		Count    int    `json:"count"`
		Cursor   string `json:"cursor,omitempty"`
	}{e.params.Cursor == "", e.count, e.params.Cursor})
	if err != nil {
		return err
	}
	return e.write(append(line, '\n'))
}
