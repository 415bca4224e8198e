// Calls of the API, with which the tests make their own data.
import { randomBytes } from "node:crypto";

export const base = required("ORGD_URL");
const adminKey = required("ORGD_API_KEY");

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set. Run make test-browser, which starts a server and sets it.`);
  return value;
}

export const allScopes = ["orgs:read", "orgs:write", "orgs:delete", "members:write", "keys:manage", "events:read", "webhooks:manage"];

/** Returns the status and the body of a call. */
export async function send(method, path, body, key = adminKey) {
  const response = await fetch(base + path, {
    method,
    headers: { Authorization: `Bearer ${key}`, ...(body !== undefined && { "Content-Type": "application/json" }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text ? JSON.parse(text) : undefined };
}

/** Returns the body of a call that must succeed. */
export async function call(method, path, body, key) {
  const { status, body: result } = await send(method, path, body, key);
  if (status >= 400) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(result)}`);
  return result;
}

/** A word that no other test uses. */
export const word = () => `q${randomBytes(6).toString("hex")}`;

export const createOrganization = (orgName, fields = {}) => call("POST", "/v1/orgs", { orgName, ...fields });
export const createKey = (scopes = allScopes, description = `Test ${word()}`) => call("POST", "/v1/api-keys", { description, scopes });
export async function revokeKey(key) {
  await call("POST", `/v1/api-keys/${key.apiKeyId}/revoke`);
  await ended(key.key);
}

/** Waits until the server rejects a key: it learns of the end of a key a moment later. */
export async function ended(key) {
  const end = Date.now() + 10_000;
  while ((await send("GET", "/v1/api-keys/current", undefined, key)).status !== 401) if (Date.now() > end) throw new Error("The key still works.");
}
