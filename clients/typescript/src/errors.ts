import type { components } from "./schema.js";

export type Problem = components["schemas"]["Problem"];
export type FieldError = components["schemas"]["FieldError"];

/** The codes of the API. The list is closed. */
export type ErrorCode = Problem["code"];

/** A response with an error status. `instanceof` a subclass and `code` say which error it is. */
export class OrgdError extends Error {
  readonly status: number;
  /** Undefined if the response is not an error of orgd (a proxy's page, a response to HEAD). */
  readonly code: ErrorCode | undefined;
  readonly title: string;
  readonly detail: string;
  readonly requestId: string | undefined;
  /** Every query parameter or field of the body that is wrong. Empty for most codes. */
  readonly errors: readonly FieldError[];
  /** The organization that has the external id. Only with `external_id_taken`. */
  readonly orgId: string | undefined;
  /** After how many seconds a retry makes sense, if the response says so. */
  readonly retryAfter: number | undefined;
  readonly response: Response;

  constructor(response: Response, problem: Partial<Problem> = {}) {
    const title = problem.title ?? (response.statusText || `HTTP status ${response.status}`);
    super(problem.detail ?? title);
    this.name = problem.code ? className(problem.code) : "OrgdError";
    this.status = response.status;
    this.code = problem.code;
    this.title = title;
    this.detail = this.message;
    this.requestId = problem.requestId ?? response.headers.get("X-Request-Id") ?? undefined;
    this.errors = problem.errors ?? [];
    this.orgId = problem.orgId;
    this.retryAfter = retryAfter(response.headers.get("Retry-After"));
    this.response = response;
  }
}

/** No response, or one that broke off. What the call did is not known. `cause` is the error of `fetch`. */
export class OrgdConnectionError extends Error {
  constructor(url: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`No response from ${url}: ${reason}`, { cause });
    this.name = "OrgdConnectionError";
  }
}

export class InvalidRequestError extends OrgdError { declare readonly code: "invalid_request" }
export class InvalidParameterError extends OrgdError { declare readonly code: "invalid_parameter" }
export class UnknownParameterError extends OrgdError { declare readonly code: "unknown_parameter" }
export class RepeatedParameterError extends OrgdError { declare readonly code: "repeated_parameter" }
export class InvalidCursorError extends OrgdError { declare readonly code: "invalid_cursor" }
export class InvalidAuthorizationError extends OrgdError { declare readonly code: "invalid_authorization" }
export class InvalidBodyError extends OrgdError { declare readonly code: "invalid_body" }
export class MissingCredentialsError extends OrgdError { declare readonly code: "missing_credentials" }
export class InvalidApiKeyError extends OrgdError { declare readonly code: "invalid_api_key" }
export class InsufficientScopeError extends OrgdError { declare readonly code: "insufficient_scope" }
export class InsufficientRateLimitError extends OrgdError { declare readonly code: "insufficient_rate_limit" }
export class InsufficientLifetimeError extends OrgdError { declare readonly code: "insufficient_lifetime" }
export class NotFoundError extends OrgdError { declare readonly code: "not_found" }
export class MethodNotAllowedError extends OrgdError { declare readonly code: "method_not_allowed" }
export class NotAcceptableError extends OrgdError { declare readonly code: "not_acceptable" }
export class RequestTimeoutError extends OrgdError { declare readonly code: "request_timeout" }
export class OrgInactiveError extends OrgdError { declare readonly code: "org_inactive" }
export class ExternalIdTakenError extends OrgdError { declare readonly code: "external_id_taken" }
export class OrgIdTakenError extends OrgdError { declare readonly code: "org_id_taken" }
export class OrgActiveError extends OrgdError { declare readonly code: "org_active" }
export class ApiKeyEndedError extends OrgdError { declare readonly code: "api_key_ended" }
export class ApiKeyRotatedError extends OrgdError { declare readonly code: "api_key_rotated" }
export class LastManagingKeyError extends OrgdError { declare readonly code: "last_managing_key" }
export class TooManyKeysError extends OrgdError { declare readonly code: "too_many_keys" }
export class TooManyWebhooksError extends OrgdError { declare readonly code: "too_many_webhooks" }
export class IdempotencyInProgressError extends OrgdError { declare readonly code: "idempotency_in_progress" }
export class CursorExpiredError extends OrgdError { declare readonly code: "cursor_expired" }
export class PreconditionFailedError extends OrgdError { declare readonly code: "precondition_failed" }
export class BodyTooLargeError extends OrgdError { declare readonly code: "body_too_large" }
export class UnsupportedMediaTypeError extends OrgdError { declare readonly code: "unsupported_media_type" }
export class InvalidFieldError extends OrgdError { declare readonly code: "invalid_field" }
export class IdempotencyKeyReusedError extends OrgdError { declare readonly code: "idempotency_key_reused" }
export class RateLimitedError extends OrgdError { declare readonly code: "rate_limited" }
export class InternalError extends OrgdError { declare readonly code: "internal" }
export class NotImplementedError extends OrgdError { declare readonly code: "not_implemented" }
export class UnavailableError extends OrgdError { declare readonly code: "unavailable" }

/** The class of each code. The compiler compares the codes with those of openapi.yaml. */
export const errorClasses = {
  invalid_request: InvalidRequestError,
  invalid_parameter: InvalidParameterError,
  unknown_parameter: UnknownParameterError,
  repeated_parameter: RepeatedParameterError,
  invalid_cursor: InvalidCursorError,
  invalid_authorization: InvalidAuthorizationError,
  invalid_body: InvalidBodyError,
  missing_credentials: MissingCredentialsError,
  invalid_api_key: InvalidApiKeyError,
  insufficient_scope: InsufficientScopeError,
  insufficient_rate_limit: InsufficientRateLimitError,
  insufficient_lifetime: InsufficientLifetimeError,
  not_found: NotFoundError,
  method_not_allowed: MethodNotAllowedError,
  not_acceptable: NotAcceptableError,
  request_timeout: RequestTimeoutError,
  org_inactive: OrgInactiveError,
  external_id_taken: ExternalIdTakenError,
  org_id_taken: OrgIdTakenError,
  org_active: OrgActiveError,
  api_key_ended: ApiKeyEndedError,
  api_key_rotated: ApiKeyRotatedError,
  last_managing_key: LastManagingKeyError,
  too_many_keys: TooManyKeysError,
  too_many_webhooks: TooManyWebhooksError,
  idempotency_in_progress: IdempotencyInProgressError,
  cursor_expired: CursorExpiredError,
  precondition_failed: PreconditionFailedError,
  body_too_large: BodyTooLargeError,
  unsupported_media_type: UnsupportedMediaTypeError,
  invalid_field: InvalidFieldError,
  idempotency_key_reused: IdempotencyKeyReusedError,
  rate_limited: RateLimitedError,
  internal: InternalError,
  not_implemented: NotImplementedError,
  unavailable: UnavailableError,
} satisfies { [Code in ErrorCode]: new (response: Response, problem?: Partial<Problem>) => OrgdError & { code: Code } };

/** The error that a response reports; body is its parsed body, if it has one. */
export function errorOf(response: Response, body: unknown): OrgdError {
  if (typeof body !== "object" || body === null) return new OrgdError(response);
  const problem = body as Partial<Problem>;
  if (!problem.code || !Object.hasOwn(errorClasses, problem.code)) return new OrgdError(response);
  return new errorClasses[problem.code](response, problem);
}

// Minifiers change the names of classes, so the name comes from the code.
function className(code: ErrorCode): string {
  return code.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase()) + "Error";
}

// A number of seconds or a date (RFC 9110 section 10.2.3).
function retryAfter(value: string | null): number | undefined {
  if (!value) return undefined;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}
