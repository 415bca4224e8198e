import { createOrgd, OrgdConnectionError, OrgdError, type Orgd } from "@orgd/client";
import { noteResponse } from "./connection";
import { noteLimits, forgetLimits } from "./limits";
import { dropScope, endSession, session, whenSessionEnds } from "./session";
import type { Scope } from "./scopes";

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

// No organization has this id.
const nobody = "org_00000000000000000000000000000000";

/**
 * Finds out what a key may do. The API has no call for it, so this tries one call for each
 * scope that changes nothing. They name a user to act for, because a key without that
 * scope is rejected before the call is looked at.
 */
export async function readScopes(key: string): Promise<Scope[]> {
  const client = createOrgd({ baseUrl: location.origin, apiKey: key, maxRetries: 1, fetch: send });
  const found = new Set<Scope>();
  const probe = async (scope: Scope, call: (headers: { headers: Record<string, string> }) => Promise<unknown>): Promise<void> => {
    try {
      await call({ headers: { "Orgd-User": "probe" } });
      found.add("act-as-user");
    } catch (error) {
      if (!(error instanceof OrgdError) || error.status === 401 || error.status === 429 || error.status >= 500) throw error;
      const missing = missingScope(error.response);
      if (missing === scope) return;
      if (missing !== "act-as-user") found.add("act-as-user");
    }
    found.add(scope);
  };
  const path = { orgId: nobody, userId: "probe" };
  // The first call alone, so that a wrong key costs one failure.
  await probe("orgs:read", (h) => client.GET("/v1/orgs", { params: { query: { limit: 1 } }, ...h }));
  await Promise.all([
    probe("orgs:write", (h) => client.PUT("/v1/orgs/external/{externalId}", { params: { path: { externalId: "probe" } }, body: { orgName: "" }, ...h })),
    probe("orgs:delete", (h) => client.DELETE("/v1/orgs/{orgId}", { params: { path }, ...h })),
    probe("members:write", (h) => client.DELETE("/v1/orgs/{orgId}/users/{userId}", { params: { path }, ...h })),
    probe("users:erase", (h) => client.DELETE("/v1/users/{userId}", { params: { path: { userId: " " } }, ...h })),
    probe("keys:manage", (h) => client.GET("/v1/api-keys", { params: { query: { limit: 1 } }, ...h })),
    probe("events:read", (h) => client.GET("/v1/events", { params: { query: { limit: 1 } }, ...h })),
    probe("webhooks:manage", (h) => client.GET("/v1/webhooks", { params: { query: { limit: 1 } }, ...h })),
  ]);
  if (found.has("orgs:write")) {
    // Without the scope, the call is rejected before the name is checked.
    const error: unknown = await client.POST("/v1/orgs", { body: { orgName: "", orgId: nobody } }).catch((e: unknown) => e);
    if (error instanceof OrgdError && error.code === "invalid_field") found.add("orgs:import");
  }
  return [...found];
}

whenSessionEnds(forgetLimits);

export { OrgdConnectionError, OrgdError };
