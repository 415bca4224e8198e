package http

import (
	"net/http"
	"time"
)

// Route is a row of the route table.
type Route struct{ Method, Path, Scope string }

// Routes returns the route table.
func (s *Server) Routes() []Route {
	var all []Route
	for _, r := range s.routes() {
		all = append(all, Route{Method: r.method, Path: r.path, Scope: string(r.scope)})
	}
	return all
}

// WithStreamBeat sets the time between the keep-alive messages of a stream.
func (s *Server) WithStreamBeat(beat time.Duration) *Server {
	s.streamBeat = beat
	return s
}

// HTTPServers returns the servers that Serve and ServeAdmin run.
func (s *Server) HTTPServers() (public, admin *http.Server) {
	return s.newPublicServer(), s.newHTTPServer(s.adminHandler(http.NotFoundHandler()))
}

// Codes returns all problem codes.
func Codes() []string {
	var all []string
	for c := range problems {
		all = append(all, string(c))
	}
	return all
}

// AppendPage is exported for the tests of the encoder.
var AppendPage = appendPage

// Unobserved is an Observer that ignores everything.
type Unobserved struct{}

func (Unobserved) ObserveRequest(string, string, int, time.Duration) {}
func (Unobserved) ObservePage(string, int)                           {}
func (Unobserved) ObserveFeedDelay(time.Duration)                    {}
func (Unobserved) ObserveLimited(string)                             {}
