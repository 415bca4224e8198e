package http

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"orgd/internal/apikeys"
	"orgd/internal/budget"
	"orgd/internal/events"
	"orgd/internal/orgs"
	"orgd/internal/webhooks"
)

// code identifies a kind of problem. Codes never change, because clients depend on them.
// docs/api.md describes them, and openapi.yaml lists them.
type code string

const (
	codeInvalidRequest       code = "invalid_request"
	codeInvalidParameter     code = "invalid_parameter"
	codeUnknownParameter     code = "unknown_parameter"
	codeRepeatedParameter    code = "repeated_parameter"
	codeInvalidCursor        code = "invalid_cursor"
	codeInvalidBody          code = "invalid_body"
	codeInvalidAuthorization code = "invalid_authorization"
	codeMissingCredentials   code = "missing_credentials"
	codeInvalidAPIKey        code = "invalid_api_key"
	codeInsufficientScope    code = "insufficient_scope"
	codeInsufficientRate     code = "insufficient_rate_limit"
	codeInsufficientLifetime code = "insufficient_lifetime"
	codeNotFound             code = "not_found"
	codeMethodNotAllowed     code = "method_not_allowed"
	codeNotAcceptable        code = "not_acceptable"
	codeRequestTimeout       code = "request_timeout"
	codeOrgInactive          code = "org_inactive"
	codeExternalIDTaken      code = "external_id_taken"
	codeOrgIDTaken           code = "org_id_taken"
	codeOrgActive            code = "org_active"
	codeAPIKeyEnded          code = "api_key_ended"
	codeAPIKeyRotated        code = "api_key_rotated"
	codeLastManagingKey      code = "last_managing_key"
	codeTooManyKeys          code = "too_many_keys"
	codeTooManyWebhooks      code = "too_many_webhooks"
	codeInProgress           code = "idempotency_in_progress"
	codeCursorExpired        code = "cursor_expired"
	codePreconditionFailed   code = "precondition_failed"
	codeBodyTooLarge         code = "body_too_large"
	codeUnsupportedMediaType code = "unsupported_media_type"
	codeInvalidField         code = "invalid_field"
	codeKeyReused            code = "idempotency_key_reused"
	codeRateLimited          code = "rate_limited"
	codeInternal             code = "internal"
	codeNotImplemented       code = "not_implemented"
	codeUnavailable          code = "unavailable"
)

// problems maps each code to its HTTP status and its title.
var problems = map[code]struct {
	status int
	title  string
}{
	codeInvalidRequest:       {http.StatusBadRequest, "Malformed request"},
	codeInvalidParameter:     {http.StatusBadRequest, "Invalid query parameter"},
	codeUnknownParameter:     {http.StatusBadRequest, "Unknown query parameter"},
	codeRepeatedParameter:    {http.StatusBadRequest, "Repeated query parameter"},
	codeInvalidCursor:        {http.StatusBadRequest, "Invalid cursor"},
	codeInvalidBody:          {http.StatusBadRequest, "Malformed body"},
	codeInvalidAuthorization: {http.StatusBadRequest, "Malformed credentials"},
	codeMissingCredentials:   {http.StatusUnauthorized, "Missing credentials"},
	codeInvalidAPIKey:        {http.StatusUnauthorized, "Invalid API key"},
	codeInsufficientScope:    {http.StatusForbidden, "Insufficient scope"},
	codeInsufficientRate:     {http.StatusForbidden, "Insufficient rate limit"},
	codeInsufficientLifetime: {http.StatusForbidden, "Insufficient lifetime"},
	codeNotFound:             {http.StatusNotFound, "Not found"},
	codeMethodNotAllowed:     {http.StatusMethodNotAllowed, "Method not allowed"},
	codeNotAcceptable:        {http.StatusNotAcceptable, "Not acceptable"},
	codeRequestTimeout:       {http.StatusRequestTimeout, "Request timeout"},
	codeOrgInactive:          {http.StatusConflict, "Organization deactivated"},
	codeExternalIDTaken:      {http.StatusConflict, "External id taken"},
	codeOrgIDTaken:           {http.StatusConflict, "Organization id taken"},
	codeOrgActive:            {http.StatusConflict, "Organization active"},
	codeAPIKeyEnded:          {http.StatusConflict, "API key revoked or expired"},
	codeAPIKeyRotated:        {http.StatusConflict, "API key rotated"},
	codeLastManagingKey:      {http.StatusConflict, "Last key with keys:manage"},
	codeTooManyKeys:          {http.StatusConflict, "Too many API keys"},
	codeTooManyWebhooks:      {http.StatusConflict, "Too many webhooks"},
	codeInProgress:           {http.StatusConflict, "Call in progress"},
	codeCursorExpired:        {http.StatusGone, "Cursor expired"},
	codePreconditionFailed:   {http.StatusPreconditionFailed, "Precondition failed"},
	codeBodyTooLarge:         {http.StatusRequestEntityTooLarge, "Body too large"},
	codeUnsupportedMediaType: {http.StatusUnsupportedMediaType, "Unsupported media type"},
	codeInvalidField:         {http.StatusUnprocessableEntity, "Invalid field"},
	codeKeyReused:            {http.StatusUnprocessableEntity, "Idempotency key reused"},
	codeRateLimited:          {http.StatusTooManyRequests, "Too many requests"},
	codeInternal:             {http.StatusInternalServerError, "Internal error"},
	codeNotImplemented:       {http.StatusNotImplemented, "Not implemented"},
	codeUnavailable:          {http.StatusServiceUnavailable, "Unavailable"},
}

// Details that several errors share.
const (
	bodyTooLarge           = "The body is too large. The limit is 1 MiB."
	temporarilyUnavailable = "The service is temporarily unavailable. Wait for the number of seconds in the Retry-After header, then retry."
	beginAgain             = "Get a new cursor with cursor=now and without Last-Event-ID, read the lists again, then continue with the new cursor."
	invalidPageCursor      = "The cursor is not valid for this list. Send the previous page's cursor unchanged, with a key of the same account, or start again without a cursor."
	internalError          = "An internal error occurred. Report it with the requestId."
)

// known maps errors of the domain and of lower packages to what the client sees. The
// first match counts. An error that is not listed is a 500. An error whose response needs
// more than a code and a text is converted to an apiError by the handler; see
// preconditionError.
var known = []struct {
	err    error
	code   code
	detail string
}{
	{orgs.ErrInvalidCursor, codeInvalidCursor, "The value of cursor or before is not valid for this list. Send it unchanged, with the same filters and order and with a key of the same account, or start again without it."},
	{orgs.ErrNotFound, codeNotFound, "This account has no organization with this orgId. Check the orgId, and that your key belongs to the right account."},
	{orgs.ErrNotMember, codeNotFound, "The organization has no member with this userId."},
	{orgs.ErrInactive, codeOrgInactive, "The organization is deactivated and takes no new members. Reactivate it first."},
	{orgs.ErrOrgIDTaken, codeOrgIDTaken, "This account has an organization with this orgId, or had one that was deleted. Use another orgId, or leave it out."},
	{orgs.ErrActive, codeOrgActive, "The organization is active. Deactivate it first. Until you delete it, you can reactivate it."},
	{orgs.ErrInProgress, codeInProgress, "An identical call, or a call with the same Idempotency-Key, is still running. Wait for the number of seconds in the Retry-After header, then retry."},
	{orgs.ErrBatchIncomplete, codeNotFound, "An organization that the first call with this Idempotency-Key created has since been deleted, so the call cannot be repeated. This call created nothing. To find the other organizations, read the list. To create new ones, use a new Idempotency-Key."},
	{orgs.ErrKeyReused, codeKeyReused, "This Idempotency-Key belongs to a different call. Repeat that call exactly, or use a new Idempotency-Key."},
	{events.ErrInvalidCursor, codeInvalidCursor, "The cursor, or the Last-Event-ID that replaces it, is not valid for this feed. Send a cursor of this feed unchanged, with a key of the same account. Or leave out Last-Event-ID, and either send cursor=now or send no cursor, which starts at the oldest event."},
	{events.ErrCursorExpired, codeCursorExpired, "Events after this cursor have been deleted because of their age. " + beginAgain},
	{events.ErrCursorLost, codeCursorExpired, "The event at this cursor no longer exists, because a failover lost it or the service was restored to an earlier state. " + beginAgain},
	{events.ErrBacklog, codeUnavailable, "This account has many events that nobody has read yet, and they could not all be prepared in time. Wait for the number of seconds in the Retry-After header, then retry. The retry continues where this call stopped."},
	{apikeys.ErrInvalidCursor, codeInvalidCursor, invalidPageCursor},
	{apikeys.ErrNotFound, codeNotFound, "This account has no API key with this apiKeyId. Check the apiKeyId, and that your own key belongs to the right account."},
	{apikeys.ErrEnded, codeAPIKeyEnded, "The API key is revoked or expired. Create a new one."},
	{apikeys.ErrRotated, codeAPIKeyRotated, "The API key was rotated, so its expiry can no longer be changed. To stop it sooner, revoke it. To keep access, use the key that replaced it."},
	{apikeys.ErrLastManager, codeLastManagingKey, "This is the account's last key with the scope keys:manage. Create another one first."},
	{apikeys.ErrTooMany, codeTooManyKeys, "The account has reached its limit of API keys. Revoke unused keys, then retry."},
	{apikeys.ErrExceedsRate, codeInsufficientRate, "The API key that you want to change has a higher rate limit than your own key. Use a key with at least the same rate limit."},
	{apikeys.ErrExceedsLife, codeInsufficientLifetime, "The API key would be valid for longer than your own key. Use a key that is valid for longer. If this call takes an expiresAt, you can also set one that is no later than your own key's expiry."},
	{webhooks.ErrInvalidCursor, codeInvalidCursor, invalidPageCursor},
	{webhooks.ErrNotFound, codeNotFound, "This account has no webhook with this webhookId. Check the webhookId, and that your key belongs to the right account."},
	{webhooks.ErrTooMany, codeTooManyWebhooks, "The account has reached its limit of webhooks. Delete unused webhooks, then retry."},
	{webhooks.ErrEventsDeleted, codeCursorExpired, "The events that this webhook would get next no longer exist. They were deleted because of their age, or lost in a failover or a restore. Read the lists again, then call replay with the position of an event that /v1/events still returns."},
	{orgs.ErrUnavailable, codeUnavailable, temporarilyUnavailable}, // also apikeys.ErrUnavailable, which is the same error
	{budget.ErrExhausted, codeUnavailable, "The requests of this account are using too much memory at the moment. Wait for the number of seconds in the Retry-After header, then retry."},
	{context.DeadlineExceeded, codeUnavailable, temporarilyUnavailable},
	{context.Canceled, codeUnavailable, temporarilyUnavailable},
}

// knownStatus maps the statuses of the errors that Echo returns.
var knownStatus = map[int]struct {
	code   code
	detail string
}{
	http.StatusBadRequest:            {codeInvalidRequest, "The request is malformed. Fix its syntax."},
	http.StatusNotFound:              {codeNotFound, "No such path. See the API reference."},
	http.StatusMethodNotAllowed:      {codeMethodNotAllowed, "This path does not support this method. Use one of the methods in the Allow header."},
	http.StatusRequestEntityTooLarge: {codeBodyTooLarge, bodyTooLarge},
	http.StatusUnsupportedMediaType:  {codeUnsupportedMediaType, wrongMediaType},
}

// apiError is an error with two texts: detail tells the client how to fix the call, and
// cause tells the log what happened.
type apiError struct {
	code    code
	detail  string
	bad     []fieldError
	orgID   string // the organization that the error is about, if the client does not know it
	headers map[string]string
	wait    time.Duration // the minimum wait before a retry; only for codeRateLimited
	cause   error
}

func newError(c code, detail string) *apiError { return &apiError{code: c, detail: detail} }

// withCause sets the cause, which only the log shows.
func (e *apiError) withCause(cause error) *apiError { e.cause = cause; return e }

// withWait sets how long the client must wait before a retry.
func (e *apiError) withWait(wait time.Duration) *apiError { e.wait = wait; return e }

func (e *apiError) challenge(value string) *apiError {
	e.headers = map[string]string{echo.HeaderWWWAuthenticate: value}
	return e
}

func (e *apiError) Error() string {
	if e.cause != nil {
		return string(e.code) + ": " + e.cause.Error()
	}
	return string(e.code) + ": " + e.detail
}

func (e *apiError) Unwrap() error { return e.cause }

// asAPIError converts err to the error that the client sees.
func asAPIError(err error) *apiError {
	var own *apiError
	if errors.As(err, &own) {
		return own
	}
	for _, k := range known {
		if errors.Is(err, k.err) {
			return newError(k.code, k.detail).withCause(err)
		}
	}
	var fromEcho *echo.HTTPError
	if errors.As(err, &fromEcho) {
		if k, ok := knownStatus[fromEcho.Code]; ok {
			return newError(k.code, k.detail).withCause(err)
		}
	}
	return newError(codeInternal, internalError).withCause(err)
}
