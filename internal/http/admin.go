package http

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/pprof"

	"github.com/labstack/echo/v4"
)

// ServeAdmin serves probes, metrics and profiles on ln until ctx is done. Responses have
// no time limit, because a profile can take long. When ctx is done, responses in progress
// are cut off.
func (s *Server) ServeAdmin(ctx context.Context, ln net.Listener, metrics http.Handler) error {
	server := s.newHTTPServer(s.adminHandler(metrics))
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// adminHandler serves probes, metrics and profiles. None of them needs a key, so the
// admin address must not be public.
func (s *Server) adminHandler(metrics http.Handler) http.Handler {
	admin := echo.New()
	admin.HTTPErrorHandler = s.renderError
	admin.Use(commonHeaders, recoverPanic)
	admin.GET(livePath, s.live)
	admin.GET(readyPath, s.ready)
	admin.GET("/metrics", echo.WrapHandler(metrics))
	admin.GET("/debug/pprof/cmdline", echo.WrapHandler(http.HandlerFunc(pprof.Cmdline)))
	admin.GET("/debug/pprof/profile", echo.WrapHandler(http.HandlerFunc(pprof.Profile)))
	admin.GET("/debug/pprof/symbol", echo.WrapHandler(http.HandlerFunc(pprof.Symbol)))
	admin.GET("/debug/pprof/trace", echo.WrapHandler(http.HandlerFunc(pprof.Trace)))
	admin.GET("/debug/pprof/*", echo.WrapHandler(http.HandlerFunc(pprof.Index)))
	return admin
}
