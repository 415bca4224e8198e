package http

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"orgd/internal/apikeys"
)

// open marks a route that needs no key.
const open apikeys.Scope = ""

// The probes' paths, on the public address and on the admin address.
const (
	livePath  = "/livez"
	readyPath = "/readyz"
)

type route struct {
	method  string
	path    string
	scope   apikeys.Scope // the right that a key needs, or open
	handler echo.HandlerFunc
}

// routes is all that is served. A GET is a HEAD too (RFC 9110 section 9.3.2).
func (s *Server) routes() []route {
	return []route{
		{http.MethodGet, "/v1/orgs", apikeys.OrgsRead, s.listOrgs},
		{http.MethodPost, "/v1/orgs", apikeys.OrgsWrite, s.createOrg},
		{http.MethodGet, "/v1/orgs/:orgId", apikeys.OrgsRead, s.getOrg},
		{http.MethodPatch, "/v1/orgs/:orgId", apikeys.OrgsWrite, s.updateOrg},
		{http.MethodPost, "/v1/orgs/:orgId/deactivate", apikeys.OrgsWrite, s.setActive(false)},
		{http.MethodPost, "/v1/orgs/:orgId/reactivate", apikeys.OrgsWrite, s.setActive(true)},
		{http.MethodGet, "/v1/orgs/:orgId/users", apikeys.OrgsRead, s.listMembers},
		{http.MethodPost, "/v1/orgs/:orgId/users", apikeys.MembersWrite, s.addMember},
		{http.MethodDelete, "/v1/orgs/:orgId/users", apikeys.MembersWrite, s.removeMember},

		{http.MethodGet, "/v1/api-keys", apikeys.KeysManage, s.listAPIKeys},
		{http.MethodPost, "/v1/api-keys", apikeys.KeysManage, s.createAPIKey},
		{http.MethodGet, "/v1/api-keys/:apiKeyId", apikeys.KeysManage, s.getAPIKey},
		{http.MethodPatch, "/v1/api-keys/:apiKeyId", apikeys.KeysManage, s.updateAPIKey},
		{http.MethodPost, "/v1/api-keys/:apiKeyId/revoke", apikeys.KeysManage, s.revokeAPIKey},
		{http.MethodPost, "/v1/api-keys/:apiKeyId/rotate", apikeys.KeysManage, s.rotateAPIKey},

		{http.MethodGet, livePath, open, s.live},
		{http.MethodGet, readyPath, open, s.ready},
		{http.MethodGet, "/openapi.json", open, s.describe("application/json", s.cfg.OpenAPIJSON)},
		{http.MethodGet, "/openapi.yaml", open, s.describe("application/yaml", s.cfg.OpenAPIYAML)},
	}
}

// register gives each route its middleware, not a group: a group with
// middleware answers 404 where 405 is due (echo issue 1981).
func (s *Server) register() {
	for _, r := range s.routes() {
		var guards []echo.MiddlewareFunc
		if r.scope != open {
			guards = append(guards, s.authenticate(r.scope))
			if r.method != http.MethodGet {
				guards = append(guards, s.receive)
			}
			guards = append(guards, s.takePlace, offerJSON)
		}
		s.echo.Add(r.method, r.path, r.handler, guards...)
		if r.method == http.MethodGet {
			s.echo.Add(http.MethodHead, r.path, r.handler, guards...)
		}
	}
}
