package http

import (
	"net/http"
	"time"
)

// Route is a route as tests see it.
type Route struct{ Method, Path, Scope string }

// Routes returns the table of routes.
func (s *Server) Routes() []Route {
	var all []Route
	for _, r := range s.routes() {
		all = append(all, Route{Method: r.method, Path: r.path, Scope: string(r.scope)})
	}
	return all
}

// HTTPServers returns the servers that Serve and ServeAdmin run.
func (s *Server) HTTPServers() (public, admin *http.Server) {
	return s.newPublicServer(), s.newHTTPServer(s.adminHandler(http.NotFoundHandler()))
}

// Codes returns the closed list of problem codes.
func Codes() []string {
	var all []string
	for c := range problems {
		all = append(all, string(c))
	}
	return all
}

// AppendPage is exported for the encoder tests.
var AppendPage = appendPage

// Unobserved counts nothing.
type Unobserved struct{}

func (Unobserved) ObserveRequest(string, string, int, time.Duration) {}
func (Unobserved) ObservePage(string, int)                           {}
func (Unobserved) ObserveFeedDelay(time.Duration)                    {}
func (Unobserved) ObserveLimited(string)                             {}
