// Package http serves the API of docs/api.md. It uses the database only through the
// domain packages.
package http

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"orgd/internal/apikeys"
	"orgd/internal/events"
	"orgd/internal/idempotency"
	"orgd/internal/orgs"
	"orgd/internal/site"
	"orgd/internal/uuid"
	"orgd/internal/webhooks"
)

// Limits of a request. A database statement times out before requestDeadline, and
// requestDeadline passes before the connection is closed, so the client still gets an
// error response.
const (
	// maxBodyBytes is enough for everything that the field rules allow, however it is
	// escaped: Python's json.dumps writes an emoji as 12 bytes, and the largest creation
	// is then 660 KB.
	maxBodyBytes      = 1 << 20
	maxHeaderBytes    = 16 << 10
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	bodyTimeout       = 8 * time.Second // leaves the handler 2 s of requestDeadline
	requestDeadline   = 10 * time.Second
	writeTimeout      = 20 * time.Second
	// stallTimeout is how long a client may stop reading a large response.
	stallTimeout = 5 * time.Second
)

// DefaultIdleTimeout is how long an idle connection stays open by default. Most load
// balancers close theirs after 60 s. A shorter timeout here would let them send a request
// on a connection that is being closed.
const DefaultIdleTimeout = 75 * time.Second

// DrainLimit is how long a stopping server waits for requests in flight, after the drain
// delay. It is longer than writeTimeout, so that each of them can finish.
const DrainLimit = 25 * time.Second

// Organizations stores the organizations of every account. orgs.Repository documents each
// method.
type Organizations interface {
	List(ctx context.Context, accountID uuid.UUID, p orgs.ListParams) (orgs.Page, error)
	Count(ctx context.Context, accountID uuid.UUID, p orgs.ListParams) (orgs.Total, error)
	Get(ctx context.Context, accountID, orgID uuid.UUID) (orgs.Org, error)
	Create(ctx context.Context, c orgs.Call, n orgs.NewOrg) (orgs.Changed, error)
	CreateBatch(ctx context.Context, c orgs.Call, all []orgs.NewOrg) (made []orgs.Org, replayed bool, err error)
	AnswerLost(c orgs.Changed)
	Ensure(ctx context.Context, c orgs.Call, n orgs.NewOrg) (org orgs.Org, isNew bool, err error)
	Update(ctx context.Context, c orgs.Call, orgID uuid.UUID, on *orgs.Precondition, changes orgs.Changes) (orgs.Changed, error)
	PatchMetadata(ctx context.Context, c orgs.Call, orgID uuid.UUID, on *orgs.Precondition, patch orgs.MetadataPatch) (orgs.Changed, error)
	SetActive(ctx context.Context, c orgs.Call, orgID uuid.UUID, on *orgs.Precondition, active bool) (orgs.Changed, error)
	Delete(ctx context.Context, c orgs.Call, orgID uuid.UUID, on *orgs.Precondition) error
	EraseUser(ctx context.Context, c orgs.Call, userID string) (pending bool, err error)
	ListMembers(ctx context.Context, accountID uuid.UUID, p orgs.MemberListParams) (orgs.MemberPage, error)
	CountMembers(ctx context.Context, accountID uuid.UUID, p orgs.MemberListParams) (orgs.Total, error)
	AddMember(ctx context.Context, c orgs.Call, orgID uuid.UUID, match orgs.Versions, userID string) (orgs.Changed, error)
	RemoveMember(ctx context.Context, c orgs.Call, orgID uuid.UUID, match orgs.Versions, userID string) (orgs.Changed, error)
	ChangeMembers(ctx context.Context, c orgs.Call, orgID uuid.UUID, match orgs.Versions, users orgs.MembersChange) (orgs.MembersChanged, error)
	GetMember(ctx context.Context, accountID, orgID uuid.UUID, userID string) (orgs.Member, error)
	PutMember(ctx context.Context, c orgs.Call, orgID uuid.UUID, match orgs.Versions, m orgs.NewMember) (orgs.Member, bool, error)
	DeleteMember(ctx context.Context, c orgs.Call, orgID uuid.UUID, match orgs.Versions, userID string) error
}

// Keys stores the API keys of every account. apikeys.Repository documents each method.
type Keys interface {
	List(ctx context.Context, accountID uuid.UUID, p apikeys.ListParams) (apikeys.Page, error)
	Get(ctx context.Context, accountID, id uuid.UUID) (apikeys.APIKey, error)
	Create(ctx context.Context, c apikeys.Call, n apikeys.NewAPIKey) (apikeys.Changed, error)
	Update(ctx context.Context, c apikeys.Call, id uuid.UUID, changes apikeys.Changes) (apikeys.Changed, error)
	Revoke(ctx context.Context, c apikeys.Call, id uuid.UUID) (apikeys.Changed, error)
	Rotate(ctx context.Context, c apikeys.Call, id uuid.UUID, overlap time.Duration) (apikeys.Changed, error)
}

// Events reads the events of every account. events.Repository documents each method.
type Events interface {
	Read(ctx context.Context, accountID uuid.UUID, p events.Params) (events.Page, error)
	ReadTogether(ctx context.Context, accountID uuid.UUID, p events.Params) (events.Page, error)
	ReadBackward(ctx context.Context, accountID uuid.UUID, p events.Params) (events.Page, error)
	ListOfOrg(ctx context.Context, accountID, orgID uuid.UUID, p events.ListParams) (events.ListPage, error)
	ListOfAPIKey(ctx context.Context, accountID, keyID uuid.UUID, p events.ListParams) (events.ListPage, error)
}

// Webhooks stores the endpoints of every account. webhooks.Repository documents each
// method.
type Webhooks interface {
	CheckURL(url string) error
	List(ctx context.Context, accountID uuid.UUID, p webhooks.ListParams) (webhooks.Page, error)
	Get(ctx context.Context, accountID, id uuid.UUID) (webhooks.Webhook, error)
	Create(ctx context.Context, c idempotency.Call, n webhooks.NewWebhook) (webhooks.Changed, error)
	Update(ctx context.Context, c idempotency.Call, id uuid.UUID, changes webhooks.Changes) (webhooks.Changed, error)
	RotateSecret(ctx context.Context, c idempotency.Call, id uuid.UUID, overlap time.Duration) (webhooks.Changed, error)
	Enable(ctx context.Context, c idempotency.Call, id uuid.UUID) (webhooks.Changed, error)
	Disable(ctx context.Context, c idempotency.Call, id uuid.UUID) (webhooks.Changed, error)
	Replay(ctx context.Context, c idempotency.Call, id uuid.UUID, position int64) (webhooks.Changed, error)
	Delete(ctx context.Context, c idempotency.Call, id uuid.UUID) error
	Test(ctx context.Context, c idempotency.Call, id uuid.UUID, limit time.Duration) (webhooks.Attempt, error)
	Attempts(ctx context.Context, accountID, id uuid.UUID) ([]webhooks.Attempt, error)
}

// Authenticator verifies a key and returns whose it is. apikeys.Verifier documents the
// errors.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (apikeys.Principal, error)
}

// Observer receives the figures for the metrics. A route is always a template, such as
// /v1/orgs/:orgId.
type Observer interface {
	// ObserveRequest counts a request and records how long it took. method is a standard
	// HTTP method or "other".
	ObserveRequest(route, method string, status int, took time.Duration)
	// ObservePage records how many entries a page of a list has.
	ObservePage(route string, entries int)
	// ObserveFeedDelay records the time from a change until a waiting request or stream got
	// its event.
	ObserveFeedDelay(delay time.Duration)
	// ObserveLimited counts a request that a limit rejected. limit is the limit's name.
	ObserveLimited(limit string)
}

// Tracer creates a span for each request.
type Tracer interface {
	// Trace wraps a handler. Requests for which skip returns true get no span.
	Trace(next http.Handler, skip func(*http.Request) bool) http.Handler
	// Route adds the method and the route to the span of the request in ctx, and returns
	// the ids of its trace and its span. A route is always a template.
	Route(ctx context.Context, method, route string) (traceID, spanID string)
}

// Config is the configuration of a server.
type Config struct {
	Orgs      Organizations
	Keys      Keys
	Events    Events
	Hub       *events.Hub
	Webhooks  Webhooks
	Auth      Authenticator
	Limits    Limits
	Proxies   []*net.IPNet                // proxies whose X-Forwarded-For is trusted
	Ready     func(context.Context) error // returns nil if requests can be served
	PublicURL string                      // the base URL that clients use, without a slash at the end
	Logger    *slog.Logger
	Observer  Observer
	Tracer    Tracer  // nil for none
	Unlogged  float64 // the share of successful requests that is not logged, 0 to 1
	// IdleTimeout is how long a connection may be idle between two requests. 0 means
	// DefaultIdleTimeout.
	IdleTimeout time.Duration

	OpenAPIYAML []byte
	OpenAPIJSON []byte
	Site        *site.Site // nil for no pages
}

// Server serves the API.
type Server struct {
	cfg       Config
	echo      *echo.Echo
	limits    *limits
	readiness readiness
	stopping  atomic.Bool   // if true, the readiness probe fails, and each response closes its connection
	stopped   chan struct{} // closed when stopping becomes true: no request waits any longer

	streamBeat time.Duration // see defaultStreamBeat

	segments map[string]bool // the fixed segments of the routes' paths
}

// New returns a server with every route registered.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg, echo: echo.New(), limits: newLimits(cfg.Limits), stopped: make(chan struct{}), streamBeat: defaultStreamBeat, segments: map[string]bool{}}
	s.echo.IPExtractor = clientAddress(cfg.Proxies)
	s.readiness.check, s.readiness.logger = cfg.Ready, cfg.Logger
	s.echo.HTTPErrorHandler = s.renderError
	// setDeadline must come before limitBody. It copies the request, so limitBody does
	// not change the body of net/http's own request. Otherwise net/http would wait for a
	// body that the client has not sent (Expect: 100-continue).
	s.echo.Use(s.answer, recoverPanic, setDeadline, limitBody, rejectUnknownMethod)
	s.register()
	return s
}

// Handler returns the handler of the API and the probes.
func (s *Server) Handler() http.Handler { return s.echo }

// Serve serves ln until ctx is done. Then it fails the readiness probe, keeps serving for
// drainDelay so that load balancers can notice, waits up to DrainLimit for the requests
// in flight, and returns nil. It returns an error if serving failed or if requests were
// still in flight at the end.
func (s *Server) Serve(ctx context.Context, ln net.Listener, drainDelay time.Duration) error {
	server := s.newPublicServer()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(ln) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	// Unlike SetKeepAlivesEnabled(false), this closes no idle connections: a client may
	// be sending a request on one.
	s.stopping.Store(true)
	close(s.stopped)
	select {
	case err := <-failed:
		return err
	case <-time.After(drainDelay):
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), DrainLimit)
	defer cancel()
	if err := server.Shutdown(limited); err != nil {
		return errors.Join(err, server.Close())
	}
	return nil
}

func (s *Server) newPublicServer() *http.Server {
	handler := s.Handler()
	if s.cfg.Tracer != nil {
		handler = s.cfg.Tracer.Trace(handler, func(r *http.Request) bool { return isProbe(r.URL.Path) })
	}
	server := s.newHTTPServer(handler)
	server.WriteTimeout = writeTimeout
	return server
}

func (s *Server) newHTTPServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       cmp.Or(s.cfg.IdleTimeout, DefaultIdleTimeout),
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelWarn),
	}
}
