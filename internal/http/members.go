package http

import (
	"context"
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
	call, match, err := readConditionalCall(c, true, userIDField(&userID).must())
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

func (s *Server) changeMembers(c echo.Context) error {
	id, err := pathOrgID(c)
	if err != nil {
		return err
	}
	var users orgs.MembersChange
	call, match, err := readConditionalCall(c, true, additionsField(&users), removalsField(&users))
	if err != nil {
		return err
	}
	changed, err := s.cfg.Orgs.ChangeMembers(c.Request().Context(), call, id, match, users)
	markReplay(c, changed.Replayed)
	if err != nil {
		return preconditionError(err)
	}
	body, err := text.MarshalJSON(membersChanged{
		Added: changed.Added, Removed: changed.Removed, Updated: changed.Updated, Unchanged: changed.Unchanged, UserCount: changed.UserCount,
	})
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, body)
}

// membersChanged is the response to a change of several members.
type membersChanged struct {
	Added     int   `json:"added"`
	Removed   int   `json:"removed"`
	Updated   int   `json:"updated"`
	Unchanged int   `json:"unchanged"`
	UserCount int32 `json:"userCount"`
}

func (s *Server) getMember(c echo.Context) error {
	id, userID, err := pathMember(c)
	if err != nil {
		return err
	}
	if err := noParams(c.Request().URL.RawQuery); err != nil {
		return err
	}
	found, err := s.cfg.Orgs.GetMember(c.Request().Context(), callerOf(c).AccountID, id, userID)
	if err != nil {
		return err
	}
	return writeMember(c, http.StatusOK, found)
}

func (s *Server) putMember(c echo.Context) error {
	id, userID, err := pathMember(c)
	if err != nil {
		return err
	}
	m := orgs.NewMember{UserID: userID}
	call, match, err := readConditionalCall(c, false, optional(&m.Roles, rolesField))
	if err != nil {
		return err
	}
	made, added, err := s.cfg.Orgs.PutMember(c.Request().Context(), call, id, match, m)
	if err != nil {
		return preconditionError(err)
	}
	if added {
		return writeMember(c, http.StatusCreated, made)
	}
	return writeMember(c, http.StatusOK, made)
}

func (s *Server) deleteMember(c echo.Context) error {
	id, userID, err := pathMember(c)
	if err != nil {
		return err
	}
	call, match, err := readConditionalCall(c, false)
	if err != nil {
		return err
	}
	if err := s.cfg.Orgs.DeleteMember(c.Request().Context(), call, id, match, userID); err != nil {
		return preconditionError(err)
	}
	return c.NoContent(http.StatusNoContent)
}

func pathMember(c echo.Context) (orgID uuid.UUID, userID string, err error) {
	if orgID, err = pathOrgID(c); err == nil {
		userID, err = pathUserID(c)
	}
	return orgID, userID, err
}

func writeMember(c echo.Context, status int, m orgs.Member) error {
	body, err := text.MarshalJSON(newMember(m))
	if err != nil {
		return err
	}
	return writeJSON(c, status, body)
}

func (s *Server) listMembers(c echo.Context) error {
	id, err := pathOrgID(c)
	if err != nil {
		return err
	}
	params, wantsTotal, err := memberListParams(id, c.Request().URL.RawQuery)
	if err != nil {
		return err
	}
	page, err := s.cfg.Orgs.ListMembers(c.Request().Context(), callerOf(c).AccountID, params)
	if err != nil {
		return err
	}
	isFirst := params.Cursor == "" && params.Before == ""
	if wantsTotal {
		if err := addTotal(c, isFirst, len(page.Members), page.Cursor, func() (orgs.Total, error) {
			return s.cfg.Orgs.CountMembers(c.Request().Context(), callerOf(c).AccountID, params)
		}); err != nil {
			return err
		}
	}
	s.beginPage(c, len(page.Members), links{next: page.Cursor, previous: page.Before, first: !isFirst})
	body, err := text.MarshalJSON(newMemberPage(page))
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
	Roles   []string  `json:"roles,omitempty"`
}

func newMember(m orgs.Member) member {
	return member{UserID: m.UserID, AddedAt: wire.Time(m.AddedAt), Roles: m.Roles}
}

func newMemberPage(p orgs.MemberPage) memberPage {
	page := memberPage{HasMore: p.Cursor != "", Users: make([]member, 0, len(p.Members)), Cursor: p.Cursor}
	for _, m := range p.Members {
		page.Users = append(page.Users, newMember(m))
	}
	return page
}
