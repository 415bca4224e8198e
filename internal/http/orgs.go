package http

import (
	"cmp"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"orgd/internal/orgs"
	"orgd/internal/wire"
)

func (s *Server) listOrgs(c echo.Context) error {
	params, wantsTotal, err := listParams(c.Request().URL.RawQuery)
	if err != nil {
		return err
	}
	page, err := s.cfg.Orgs.List(c.Request().Context(), callerOf(c).AccountID, params)
	if err != nil {
		return listError(err)
	}
	isFirst := params.Cursor == "" && params.Before == ""
	if wantsTotal {
		if err := addTotal(c, isFirst, len(page.Orgs), page.Cursor, func() (orgs.Total, error) {
			return s.cfg.Orgs.Count(c.Request().Context(), callerOf(c).AccountID, params)
		}); err != nil {
			return err
		}
	}
	s.beginPage(c, len(page.Orgs), links{next: page.Cursor, previous: page.Before, first: !isFirst})
	body := bodies.get(page.Bytes + pageFrame)
	defer bodies.put(body)
	*body = appendPage(*body, page)
	return writeJSON(c, http.StatusOK, *body)
}

const tooManyToSort = "More than 10,000 organizations would have to be sorted by name. Narrow the range from createdFrom to createdTo, or order the list by createdAt."

// listError returns the response to an error of the list.
func listError(err error) error {
	if errors.Is(err, orgs.ErrTooManyToSort) {
		return rejectParams([]fieldError{{
			Field: "order", Code: fieldTooMany, Detail: tooManyToSort,
		}})
	}
	return err
}

func (s *Server) createOrg(c echo.Context) error {
	var n orgs.NewOrg
	call, err := readCall(c, true, newOrgFields(&n)...)
	if err := cmp.Or(checkImport(c, n), err); err != nil {
		return err
	}
	created, err := s.cfg.Orgs.Create(c.Request().Context(), call, n)
	markReplay(c, created.Replayed)
	if err != nil {
		return conflictError(futureError(err))
	}
	s.locate(c, created.Org)
	err = writeChanged(c, http.StatusCreated, created)
	if err == nil && call.CountsRetries {
		err = flush(c)
	}
	if err != nil {
		s.cfg.Orgs.AnswerLost(created)
	}
	return err
}

// putOrg creates the organization with the external id in the path, unless it exists.
func (s *Server) putOrg(c echo.Context) error {
	externalID, err := pathExternalID(c)
	if err != nil {
		return err
	}
	n := orgs.NewOrg{ExternalID: externalID}
	call, err := readCall(c, true, nameField(&n.Name).must(), metadataField(&n.Metadata), sameExternalIDField(externalID))
	if err != nil {
		return err
	}
	org, isNew, err := s.cfg.Orgs.Ensure(c.Request().Context(), call, n)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if isNew {
		status = http.StatusCreated
		s.locate(c, org)
	}
	return writeChanged(c, status, orgs.Changed{Org: org})
}

// locate sets the header Location to the address of a new organization.
func (s *Server) locate(c echo.Context, org orgs.Org) {
	c.Response().Header().Set(echo.HeaderLocation, s.cfg.PublicURL+"/v1/orgs/"+wire.FormatOrgID(org.ID))
}

func (s *Server) getOrg(c echo.Context) error {
	id, err := pathOrgID(c)
	if err != nil {
		return err
	}
	if err := noParams(c.Request().URL.RawQuery); err != nil {
		return err
	}
	org, err := s.cfg.Orgs.Get(c.Request().Context(), callerOf(c).AccountID, id)
	if err != nil {
		return err
	}
	known, err := isKnown(c.Request().Header, org.Version)
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("ETag", entityTag(org.Version))
	h.Set(echo.HeaderCacheControl, "private, no-cache")
	h.Set(echo.HeaderVary, echo.HeaderAuthorization)
	if known {
		return c.NoContent(http.StatusNotModified)
	}
	return writeOrg(c, http.StatusOK, org)
}

func (s *Server) updateOrg(c echo.Context) error {
	id, err := pathOrgID(c)
	if err != nil {
		return err
	}
	var changes orgs.Changes
	var on orgs.Precondition
	call, match, err := readConditionalCall(c, true, optional(&changes.Name, nameField), optional(&changes.Metadata, clearableMetadataField),
		optional(&changes.ExternalID, clearableExternalIDField), optional(&on.Revision, revisionField))
	if err != nil {
		return err
	}
	on.Versions = match
	changed, err := s.cfg.Orgs.Update(c.Request().Context(), call, id, &on, changes)
	markReplay(c, changed.Replayed)
	if err != nil {
		return conflictError(preconditionError(err))
	}
	return writeChanged(c, http.StatusOK, changed)
}

func (s *Server) patchMetadata(c echo.Context) error {
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
	patch, err := readMetadataPatch(c)
	if err != nil {
		return err
	}
	if on.Versions, err = ifMatch(c.Request().Header); err != nil {
		return err
	}
	changed, err := s.cfg.Orgs.PatchMetadata(c.Request().Context(), call, id, &on, patch)
	markReplay(c, changed.Replayed)
	if err != nil {
		return tooManyPairsError(preconditionError(err))
	}
	return writeChanged(c, http.StatusOK, changed)
}

func (s *Server) setActive(active bool) echo.HandlerFunc {
	return func(c echo.Context) error {
		id, err := pathOrgID(c)
		if err != nil {
			return err
		}
		var on orgs.Precondition
		call, match, err := readConditionalCall(c, false, optional(&on.Revision, revisionField))
		if err != nil {
			return err
		}
		on.Versions = match
		changed, err := s.cfg.Orgs.SetActive(c.Request().Context(), call, id, &on, active)
		markReplay(c, changed.Replayed)
		if err != nil {
			return preconditionError(err)
		}
		return writeChanged(c, http.StatusOK, changed)
	}
}

func writeChanged(c echo.Context, status int, changed orgs.Changed) error {
	c.Response().Header().Set("ETag", entityTag(changed.Org.Version))
	return writeOrg(c, status, changed.Org)
}

func writeOrg(c echo.Context, status int, org orgs.Org) error {
	return writeJSON(c, status, appendOrg(make([]byte, 0, 512), &org))
}
