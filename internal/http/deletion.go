package http

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"orgd/internal/orgs"
)

func (s *Server) deleteOrg(c echo.Context) error {
	id, err := pathOrgID(c)
	if err != nil {
		return err
	}
	var on orgs.Precondition
	if on.Revision, err = revisionParam(c.Request().URL.RawQuery); err != nil {
		return err
	}
	call, err := newCall(c)
	if err != nil {
		return err
	}
	if err := decodeBody(c, false); err != nil {
		return err
	}
	if on.Versions, err = ifMatch(c.Request().Header); err != nil {
		return err
	}
	if err := s.cfg.Orgs.Delete(c.Request().Context(), call, id, &on); err != nil {
		return preconditionError(err)
	}
	return c.NoContent(http.StatusNoContent)
}

func (s *Server) eraseUser(c echo.Context) error {
	userID, err := pathUserID(c)
	if err != nil {
		return err
	}
	call, err := readCall(c, false)
	if err != nil {
		return err
	}
	pending, err := s.cfg.Orgs.EraseUser(c.Request().Context(), call, userID)
	if err != nil {
		return err
	}
	if pending {
		setRetryAfter(c.Response().Header(), eraseRetryAfter)
		return c.NoContent(http.StatusAccepted)
	}
	return c.NoContent(http.StatusNoContent)
}
