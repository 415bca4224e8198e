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
	call, err := readDeletion(c)
	if err != nil {
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

// eraseRetryAfter is how many seconds a client waits before it asks again whether a user is
// erased. A user in 1,000 organizations takes about one second.
const eraseRetryAfter = "1"

func (s *Server) eraseUser(c echo.Context) error {
	userID, err := pathUserID(c)
	if err != nil {
		return err
	}
	if err := noParams(c.Request().URL.RawQuery); err != nil {
		return err
	}
	call, err := readDeletion(c)
	if err != nil {
		return err
	}
	pending, err := s.cfg.Orgs.EraseUser(c.Request().Context(), call, userID)
	if err != nil {
		return err
	}
	if pending {
		c.Response().Header().Set("Retry-After", eraseRetryAfter)
		return c.NoContent(http.StatusAccepted)
	}
	return c.NoContent(http.StatusNoContent)
}

// readDeletion reads the caller and the body of a deletion, which may be an empty object.
func readDeletion(c echo.Context) (orgs.Call, error) {
	call, err := newCall(c)
	if err != nil {
		return orgs.Call{}, err
	}
	return call, decodeBody(c, false)
}
