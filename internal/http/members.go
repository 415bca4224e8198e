package http

import (
	"context"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"orgd/internal/orgs"
	"orgd/internal/text"
	"orgd/internal/uuid"
	"orgd/internal/wire"
)

var success = []byte(`{"success":true}`)

func (s *Server) addMember(c echo.Context) error { return changeMember(c, s.cfg.Orgs.AddMember) }

func (s *Server) removeMember(c echo.Context) error { return changeMember(c, s.cfg.Orgs.RemoveMember) }

func changeMember(c echo.Context, change func(context.Context, orgs.Call, uuid.UUID, orgs.Versions, string) (orgs.Changed, error)) error {
	id, err := pathOrgID(c)
	if err != nil {
		return err
	}
	var userID string
	call, err := readCall(c, true, userIDField(&userID).must())
	if err != nil {
		return err
	}
	match, err := ifMatch(c.Request().Header)
	if err != nil {
		return err
	}
	changed, err := change(c.Request().Context(), call, id, match, userID)
	markReplay(c, changed.Replayed)
	if err != nil {
		return preconditionError(err)
	}
	return writeJSON(c, http.StatusOK, success)
}

func (s *Server) listMembers(c echo.Context) error {
	id, err := pathOrgID(c)
	if err != nil {
		return err
	}
	limit, cursor, err := pageParams(c.Request().URL.RawQuery)
	if err != nil {
		return err
	}
	page, err := s.cfg.Orgs.ListMembers(c.Request().Context(), callerOf(c).AccountID,
		orgs.MemberListParams{OrgID: id, Limit: limit, Cursor: cursor})
	if err != nil {
		return err
	}
	s.beginPage(c, len(page.Members), page.Cursor)
	body, err := marshal(newMemberPage(page))
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, body)
}

// memberPage is a page of the members of an organization.
type memberPage struct {
	HasMore bool     `json:"hasMore"`
	Users   []member `json:"users"`
	Cursor  string   `json:"cursor,omitempty"`
}

type member struct {
	UserID  string    `json:"userId"`
	AddedAt wire.Time `json:"addedAt"`
}

func newMemberPage(p orgs.MemberPage) memberPage {
	page := memberPage{HasMore: p.Cursor != "", Users: make([]member, 0, len(p.Members)), Cursor: p.Cursor}
	for _, m := range p.Members {
		page.Users = append(page.Users, member{UserID: m.UserID, AddedAt: wire.Time(m.AddedAt)})
	}
	return page
}

// userIDField is the id of a user.
func userIDField(into *string) field {
	return textField("userId", func(value string) *fieldError {
		*into = value
		return checkID(orgs.ValidUserID(value))
	})
}

// checkID says what is wrong with an id from another system.
func checkID(err error) *fieldError {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, text.ErrEmpty):
		return &fieldError{Code: fieldRequired, Detail: "Must not be empty or only white space."}
	case errors.Is(err, text.ErrSpace):
		return &fieldError{Code: fieldInvalid, Detail: "Must not begin or end with white space."}
	case errors.Is(err, text.ErrControl):
		return &fieldError{Code: fieldInvalid, Detail: "Must not contain control characters."}
	case errors.Is(err, text.ErrEncoding):
		return &fieldError{Code: fieldInvalid, Detail: "Must be UTF-8."}
	default:
		return &fieldError{Code: fieldTooLong, Detail: "Must be at most 255 characters."}
	}
}
