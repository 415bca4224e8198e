package http

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"orgd/internal/apikeys"
)

// metadataPath is the route whose body is a merge patch of the metadata.
const metadataPath = "/v1/orgs/:orgId/metadata"

// orgsPath is the route of the list of organizations.
const orgsPath = "/v1/orgs"

// orgPath is the route of one organization.
const orgPath = "/v1/orgs/:orgId"

// batchPath is the route of a batch.
const batchPath = "/v1/orgs/batch"

// The routes of one key, and of the caller's own key.
const (
	apiKeyPath     = "/v1/api-keys/:apiKeyId"
	currentKeyPath = "/v1/api-keys/current"
)

// overlapping are the routes with a parameter that also match the fixed path of another
// route. For a method that the fixed path does not support, Echo falls back to them.
var overlapping = map[string]fixedPath{
	orgPath:    {batchPath, "OPTIONS, POST"},
	apiKeyPath: {currentKeyPath, "OPTIONS, GET, HEAD"},
}

// fixedPath is a path without parameters, and the methods that it supports.
type fixedPath struct{ path, allow string }

// eventsPath is the route of the feed.
const eventsPath = "/v1/events"

// open marks a route that needs no key.
const open apikeys.Scope = ""

// anyScope marks a route that needs a key, but no particular scope.
const anyScope apikeys.Scope = "any"

// The probes' paths, on the public address and on the admin address.
const (
	livePath  = "/livez"
	readyPath = "/readyz"
)

type route struct {
	method  string
	path    string
	scope   apikeys.Scope // the scope that a key needs, anyScope or open
	answer  int64         // the size of the largest response, in bytes; 0 if the route is open
	handler echo.HandlerFunc
	// waits is true for the feed, whose requests may wait. Its handler takes the slot and
	// the memory itself, because a waiting request holds none.
	waits bool
}

// routes lists every route of the API. register adds a HEAD for each GET (RFC 9110 section 9.3.2).
func (s *Server) routes() []route {
	return []route{
		{http.MethodGet, orgsPath, apikeys.OrgsRead, orgPageAnswer, s.listOrgs, false},
		{http.MethodPost, orgsPath, apikeys.OrgsWrite, orgAnswer, s.createOrg, false},
		{http.MethodPost, batchPath, apikeys.OrgsWrite, batchAnswer, s.createOrgs, false},
		{http.MethodPut, "/v1/orgs/external/:externalId", apikeys.OrgsWrite, orgAnswer, s.putOrg, false},
		{http.MethodGet, orgPath, apikeys.OrgsRead, orgAnswer, s.getOrg, false},
		{http.MethodPatch, orgPath, apikeys.OrgsWrite, orgAnswer, s.updateOrg, false},
		{http.MethodPatch, metadataPath, apikeys.OrgsWrite, orgAnswer, s.patchMetadata, false},
		{http.MethodDelete, orgPath, apikeys.OrgsDelete, smallAnswer, s.deleteOrg, false},
		{http.MethodPost, "/v1/orgs/:orgId/deactivate", apikeys.OrgsWrite, orgAnswer, s.setActive(false), false},
		{http.MethodPost, "/v1/orgs/:orgId/reactivate", apikeys.OrgsWrite, orgAnswer, s.setActive(true), false},
		{http.MethodGet, "/v1/orgs/:orgId/users", apikeys.OrgsRead, memberPageAnswer, s.listMembers, false},
		{http.MethodPost, "/v1/orgs/:orgId/users", apikeys.MembersWrite, smallAnswer, s.addMember, false},
		{http.MethodDelete, "/v1/orgs/:orgId/users", apikeys.MembersWrite, smallAnswer, s.removeMember, false},
		{http.MethodPatch, "/v1/orgs/:orgId/users", apikeys.MembersWrite, smallAnswer, s.changeMembers, false},
		{http.MethodGet, "/v1/orgs/:orgId/users/:userId", apikeys.OrgsRead, smallAnswer, s.getMember, false},
		{http.MethodPut, "/v1/orgs/:orgId/users/:userId", apikeys.MembersWrite, smallAnswer, s.putMember, false},
		{http.MethodDelete, "/v1/orgs/:orgId/users/:userId", apikeys.MembersWrite, smallAnswer, s.deleteMember, false},
		{http.MethodDelete, "/v1/users/:userId", apikeys.UsersErase, smallAnswer, s.eraseUser, false},
		{http.MethodGet, "/v1/orgs/:orgId/events", apikeys.EventsRead, eventPageAnswer, s.listOrgEvents, false},

		{http.MethodGet, eventsPath, apikeys.EventsRead, eventPageAnswer, s.listEvents, true},

		{http.MethodGet, "/v1/api-keys", apikeys.KeysManage, keyPageAnswer, s.listAPIKeys, false},
		{http.MethodPost, "/v1/api-keys", apikeys.KeysManage, smallAnswer, s.createAPIKey, false},
		{http.MethodGet, currentKeyPath, anyScope, smallAnswer, s.getCurrentAPIKey, false},
		{http.MethodGet, apiKeyPath, apikeys.KeysManage, smallAnswer, s.getAPIKey, false},
		{http.MethodPatch, apiKeyPath, apikeys.KeysManage, smallAnswer, s.updateAPIKey, false},
		{http.MethodPost, "/v1/api-keys/:apiKeyId/revoke", apikeys.KeysManage, smallAnswer, s.revokeAPIKey, false},
		{http.MethodPost, "/v1/api-keys/:apiKeyId/rotate", apikeys.KeysManage, smallAnswer, s.rotateAPIKey, false},
		{http.MethodGet, "/v1/api-keys/:apiKeyId/events", apikeys.EventsRead, eventPageAnswer, s.listAPIKeyEvents, false},

		{http.MethodGet, "/v1/webhooks", apikeys.WebhooksManage, webhookPageAnswer, s.listWebhooks, false},
		{http.MethodPost, "/v1/webhooks", apikeys.WebhooksManage, smallAnswer, s.createWebhook, false},
		{http.MethodGet, "/v1/webhooks/:webhookId", apikeys.WebhooksManage, smallAnswer, s.getWebhook, false},
		{http.MethodPatch, "/v1/webhooks/:webhookId", apikeys.WebhooksManage, smallAnswer, s.updateWebhook, false},
		{http.MethodDelete, "/v1/webhooks/:webhookId", apikeys.WebhooksManage, smallAnswer, s.deleteWebhook, false},
		{http.MethodPost, "/v1/webhooks/:webhookId/rotate-secret", apikeys.WebhooksManage, smallAnswer, s.rotateWebhookSecret, false},
		{http.MethodPost, "/v1/webhooks/:webhookId/enable", apikeys.WebhooksManage, smallAnswer, s.enableWebhook, false},
		{http.MethodPost, "/v1/webhooks/:webhookId/disable", apikeys.WebhooksManage, smallAnswer, s.disableWebhook, false},
		{http.MethodPost, "/v1/webhooks/:webhookId/replay", apikeys.WebhooksManage, smallAnswer, s.replayWebhook, false},
		{http.MethodPost, "/v1/webhooks/:webhookId/test", apikeys.WebhooksManage, smallAnswer, s.testWebhook, false},
		{http.MethodGet, "/v1/webhooks/:webhookId/attempts", apikeys.WebhooksManage, attemptsAnswer, s.listAttempts, false},

		{http.MethodGet, livePath, open, 0, s.live, false},
		{http.MethodGet, readyPath, open, 0, s.ready, false},
		{http.MethodGet, "/openapi.json", open, 0, s.describe("application/json", s.cfg.OpenAPIJSON), false},
		{http.MethodGet, "/openapi.yaml", open, 0, s.describe("application/yaml", s.cfg.OpenAPIYAML), false},
	}
}

// register adds the routes. Each route has its own middleware, because a group with
// middleware returns 404 where 405 is correct (echo issue 1981).
func (s *Server) register() {
	for _, r := range slices.Concat(s.routes(), s.pages()) {
		s.addSegments(r.path)
		var guards []echo.MiddlewareFunc
		if fixed, ok := overlapping[r.path]; ok {
			guards = append(guards, fixed.exclude)
		}
		copies := int64(bodyCopies)
		if r.path == batchPath {
			copies = batchCopies
		}
		if r.scope != open {
			guards = append(guards, s.authenticate(r.scope), s.charge)
			if r.method != http.MethodGet {
				guards = append(guards, s.receive(r.answer, copies))
			}
			switch {
			case r.waits:
				guards = append(guards, offerEvents)
			case r.path == orgsPath && r.method == http.MethodGet:
				guards = append(guards, s.offerExport, s.holdSlot, s.reserve(r.answer), offerList)
			default:
				guards = append(guards, s.holdSlot, s.reserve(r.answer), offerJSON)
			}
		}
		s.echo.Add(r.method, r.path, r.handler, guards...)
		if r.method == http.MethodGet {
			s.echo.Add(http.MethodHead, r.path, r.handler, guards...)
		}
	}
}

// exclude returns 405 if the path that Echo has matched is the fixed one.
func (f fixedPath) exclude(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if echo.GetPath(c.Request()) != f.path {
			return next(c)
		}
		c.Response().Header().Set(echo.HeaderAllow, f.allow)
		return echo.ErrMethodNotAllowed
	}
}

// describe serves the API description in one format.
func (s *Server) describe(contentType string, document []byte) echo.HandlerFunc {
	return func(c echo.Context) error {
		return writeBody(c, http.StatusOK, contentType, document)
	}
}
