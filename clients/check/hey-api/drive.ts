// Drives a real orgd with the client that @hey-api/openapi-ts generates.
import assert from "node:assert/strict";
import { client } from "./gen/client.gen.js";
import { changeMembers, createApiKey, createOrg, deleteOrg, listApiKeys, listMembers, listOrgs, revokeApiKey, updateOrg } from "./gen/sdk.gen.js";

client.setConfig({ baseUrl: process.env.ORGD_URL ?? "", auth: process.env.ORGD_API_KEY ?? "" });

const created = await createOrg({
  headers: { "Idempotency-Key": crypto.randomUUID() },
  body: { orgName: "hey-api", metadata: { region: "eu" } },
});
const orgId = created.data?.orgId ?? "";
assert.match(orgId, /^org_/);

const page = await listOrgs({ query: { limit: 1, metadata: { region: "eu" } } });
assert.ok(typeof page.data === "object");
assert.equal(page.data.organizations[0]?.orgId, orgId);

const path = { orgId };
const patched = await updateOrg({ path, body: { orgName: "hey-api 2" } });
assert.equal(patched.data?.orgName, "hey-api 2");

const changed = await changeMembers({ path, body: { add: [{ userId: "auth0|1", roles: ["owner"] }] } });
assert.equal(changed.data?.added, 1);
const members = await listMembers({ path });
assert.deepEqual(members.data?.users.map((user) => [user.userId, user.roles]), [["auth0|1", ["owner"]]]);

const key = await createApiKey({ body: { description: "hey-api", scopes: ["orgs:read"] } });
const apiKeyId = key.data?.apiKeyId ?? "";
assert.ok(key.data?.key);
const keys = await listApiKeys();
assert.ok(keys.data?.apiKeys.some((one) => one.apiKeyId === apiKeyId));
const revoked = await revokeApiKey({ path: { apiKeyId } });
assert.ok(revoked.data?.revokedAt);

const conflict = await deleteOrg({ path });
assert.equal(conflict.response?.status, 409);
assert.equal(conflict.error?.code, "org_active");
// @ts-expect-error: the codes are a closed list
void (conflict.error?.code === "no_such_code");
