package http

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// describe serves the API description in one format.
func (s *Server) describe(contentType string, document []byte) echo.HandlerFunc {
	return func(c echo.Context) error {
		return writeBody(c, http.StatusOK, contentType, document)
	}
}
