package http

import (
	"net/http"
	"net/http/pprof"

	"github.com/labstack/echo/v4"
)

// adminHandler serves probes, metrics and profiles to operators. It needs no key, so
// its address must not be public.
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

func commonHeaders(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		setCommonHeaders(c.Response().Header(), requestID(c.Request()))
		return next(c)
	}
}
