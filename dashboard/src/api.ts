import { createOrgd, OrgdConnectionError, OrgdError, type ApiKey, type Orgd } from "@orgd/client";
import { noteResponse } from "./connection";
import { noteLimits, forgetLimits } from "./limits";
import { dropScope, endSession, session, whenSessionEnds } from "./session";

/** The client for the key of the session. */
export const orgd: Orgd = createOrgd({ baseUrl: location.origin, apiKey: () => session()?.key ?? "", fetch: send });

async function send(request: Request): Promise<Response> {
  const authorization = request.headers.get("Authorization");
  let response: Response;
  try {
    response = await fetch(request);
  } catch (error) {
    if (!request.signal.aborted || isTimeout(request.signal.reason)) noteResponse(undefined);
    throw error;
  }
  noteResponse(response.status);
  // A response to the key of an earlier session says nothing about this one.
  if (authorization === `Bearer ${session()?.key}`) {
    noteLimits(response.headers);
    if (response.status === 401) endSession("This key no longer works: it expired or was revoked, or its account was suspended. Sign in with another key to continue where you were.");
    else if (response.status === 403) dropScope(missingScope(response) ?? "");
  }
  return response;
}

const isTimeout = (reason: unknown): boolean => reason instanceof DOMException && reason.name === "TimeoutError";

/** The scope that a response says the key lacks. */
const missingScope = (response: Response): string | undefined =>
  /error="insufficient_scope", scope="([^"]+)"/.exec(response.headers.get("WWW-Authenticate") ?? "")?.[1];

/** Reads the record of the key itself, before there is a session. */
export async function readKey(key: string): Promise<ApiKey> {
  const client = createOrgd({ baseUrl: location.origin, apiKey: key, maxRetries: 1, fetch: send });
  return (await client.GET("/v1/api-keys/current")).data;
}

whenSessionEnds(forgetLimits);

export { OrgdConnectionError, OrgdError };
