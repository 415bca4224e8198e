// Drives a real orgd with openapi-fetch and the types of openapi-typescript.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { paths } from "./gen/api.js";

const { ORGD_URL = "", ORGD_API_KEY = "" } = process.env;
const client = createClient<paths>({ baseUrl: ORGD_URL, headers: { Authorization: `Bearer ${ORGD_API_KEY}` } });

const created = await client.POST("/v1/orgs", {
  params: { header: { "Idempotency-Key": crypto.randomUUID() } },
  body: { orgName: "openapi-fetch", metadata: { region: "eu" }, isActive: true },
});
const orgId = created.data?.orgId ?? "";
assert.match(orgId, /^org_/);

const page = await client.GET("/v1/orgs", { params: { query: { limit: 1, metadata: { region: "eu" } } } });
assert.ok(typeof page.data === "object");
assert.equal(page.data.organizations[0]?.orgId, orgId);

const path = { orgId };
const patched = await client.PATCH("/v1/orgs/{orgId}", { params: { path }, body: { orgName: "openapi-fetch 2" } });
assert.equal(patched.data?.orgName, "openapi-fetch 2");

const changed = await client.PATCH("/v1/orgs/{orgId}/users", { params: { path }, body: { add: [{ userId: "auth0|1", roles: ["owner"] }] } });
assert.equal(changed.data?.added, 1);
const members = await client.GET("/v1/orgs/{orgId}/users", { params: { path } });
assert.deepEqual(members.data?.users.map((user) => [user.userId, user.roles]), [["auth0|1", ["owner"]]]);

const key = await client.POST("/v1/api-keys", { body: { description: "openapi-fetch", scopes: ["orgs:read"] } });
const apiKeyId = key.data?.apiKeyId ?? "";
assert.ok(key.data?.key);
const keys = await client.GET("/v1/api-keys");
assert.ok(keys.data?.apiKeys.some((one) => one.apiKeyId === apiKeyId));
const revoked = await client.POST("/v1/api-keys/{apiKeyId}/revoke", { params: { path: { apiKeyId } } });
assert.ok(revoked.data?.revokedAt);

const conflict = await client.DELETE("/v1/orgs/{orgId}", { params: { path } });
assert.equal(conflict.response.status, 409);
assert.equal(conflict.error?.code, "org_active");
// @ts-expect-error: the codes are a closed list
void (conflict.error?.code === "no_such_code");
