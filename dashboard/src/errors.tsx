import { OrgdConnectionError, OrgdError } from "./api";

export type Failure = OrgdError | OrgdConnectionError;

/** What went wrong, in a sentence. */
export function messageOf(error: Failure): string {
  if (error instanceof OrgdConnectionError) return "The server did not respond. It is not known whether the call took effect.";
  if (error.code === "insufficient_scope") return "Your key may not do this.";
  if (error.code === "rate_limited") return "Your key sends too many requests. Wait a moment, then try again.";
  return error.detail;
}

export function ErrorText({ error }: { error: Failure }) {
  return (
    <p class="error-detail">
      {messageOf(error)}
      {error instanceof OrgdError && error.requestId && (
        <span class="request">
          {" "}
          Request <code>{error.requestId}</code>
        </span>
      )}
    </p>
  );
}

/** Whether the error is one of the API. Anything else is a mistake in this program. */
export function asFailure(error: unknown): Failure {
  if (error instanceof OrgdError || error instanceof OrgdConnectionError) return error;
  throw error;
}

/** Takes the place of content that could not be read. */
export function ErrorBox({ error, what, reload }: { error: Failure; what: string; reload?: () => void }) {
  return (
    <div class="state" role="alert">
      <h2>{error instanceof OrgdConnectionError ? `No connection, so ${what} cannot be shown` : `${what[0]?.toUpperCase()}${what.slice(1)} cannot be shown`}</h2>
      {error instanceof OrgdConnectionError ? <p>This page tries again by itself as soon as the server responds.</p> : <ErrorText error={error} />}
      {reload && (
        <button type="button" class="button" onClick={reload}>
          Try again
        </button>
      )}
    </div>
  );
}
