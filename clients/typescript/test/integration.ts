// Runs against a real orgd: ORGD_URL is its address, and ORGD_API_KEY a key with all scopes.
import assert from "node:assert/strict";
import test from "node:test";
import { createOrgd, ExternalIdTakenError, InvalidApiKeyError, InvalidFieldError, NotFoundError, OrgActiveError, OrgdError, PreconditionFailedError } from "@orgd/client";

const baseUrl = process.env.ORGD_URL;
const apiKey = process.env.ORGD_API_KEY;
if (!baseUrl || !apiKey) throw new Error("Set ORGD_URL and ORGD_API_KEY.");
const orgd = createOrgd({ baseUrl, apiKey });

test("an organization from creation to deletion", async () => {
  const externalId = crypto.randomUUID();
  const created = await orgd.POST("/v1/orgs", { body: { orgName: "Åkesson & Søn", externalId, metadata: { "a&b": "c d+e" } } });
  const path = { orgId: created.data.orgId };
  assert.equal(created.response.status, 201);

  const found = await orgd.GET("/v1/orgs", { params: { query: { orgName: "akesson", metadata: { "a&b": "c d+e" }, externalId } } });
  assert.deepEqual(found.data.organizations.map((org) => org.orgId), [path.orgId]);

  const ETag = created.response.headers.get("ETag") ?? "";
  const unchanged = await orgd.GET("/v1/orgs/{orgId}", { params: { path, header: { "If-None-Match": ETag } } });
  assert.equal(unchanged.response.status, 304);

  const patched = await orgd.PATCH("/v1/orgs/{orgId}", { params: { path, header: { "If-Match": ETag } }, body: { orgName: "Åkesson Group" } });
  assert.equal(patched.data.orgName, "Åkesson Group");
  await assert.rejects(
    orgd.PATCH("/v1/orgs/{orgId}", { params: { path, header: { "If-Match": ETag } }, body: { orgName: "Late" } }),
    PreconditionFailedError,
  );
  const metadata = await orgd.PATCH("/v1/orgs/{orgId}/metadata", { params: { path }, body: { "a&b": null, region: "eu" } });
  assert.deepEqual(metadata.data.metadata, { region: "eu" });

  const add = Array.from({ length: 25 }, (_, n) => ({ userId: `auth0|${n}/?%`, roles: ["member"] }));
  const changed = await orgd.PATCH("/v1/orgs/{orgId}/users", { params: { path }, body: { add } });
  assert.equal(changed.data.added, 25);
  const users = [];
  for await (const member of orgd.members(path.orgId, { order: "userId", limit: 10 })) users.push(member.userId);
  assert.deepEqual(users, add.map((user) => user.userId).sort());
  const userId = "auth0|7/?%";
  await orgd.PUT("/v1/orgs/{orgId}/users/{userId}", { params: { path: { ...path, userId } }, body: { roles: ["owner"] } });
  const member = await orgd.GET("/v1/orgs/{orgId}/users/{userId}", { params: { path: { ...path, userId } } });
  assert.deepEqual([member.data.userId, member.data.roles], [userId, ["owner"]]);
  assert.equal((await orgd.DELETE("/v1/orgs/{orgId}/users", { params: { path }, body: { userId } })).data.success, true);

  const taken = await orgd.POST("/v1/orgs", { body: { orgName: "Twin", externalId } }).catch((error: unknown) => error);
  assert.ok(taken instanceof ExternalIdTakenError);
  assert.equal(taken.orgId, path.orgId);
  await assert.rejects(orgd.DELETE("/v1/orgs/{orgId}", { params: { path } }), OrgActiveError);
  await orgd.POST("/v1/orgs/{orgId}/deactivate", { params: { path } });
  assert.equal((await orgd.DELETE("/v1/orgs/{orgId}", { params: { path } })).data, undefined);
  await assert.rejects(orgd.GET("/v1/orgs/{orgId}", { params: { path } }), NotFoundError);
});

test("a repeated call with the same key returns the same organization", async () => {
  const header = { "Idempotency-Key": crypto.randomUUID() };
  const call = () => orgd.POST("/v1/orgs", { params: { header }, body: { orgName: "Once" } });
  const [first, second] = [await call(), await call()];
  assert.equal(second.data.orgId, first.data.orgId);
  assert.equal(second.response.headers.get("Idempotency-Replayed"), "true");
});

test("a response that does not arrive creates one organization", async () => {
  const orgName = `Lost ${crypto.randomUUID()}`;
  let calls = 0;
  const flaky = createOrgd({
    baseUrl,
    apiKey,
    fetch: async (request) => {
      const response = await fetch(request);
      if (++calls === 1) throw new TypeError("the connection was lost");
      return response;
    },
  });
  const { data } = await flaky.POST("/v1/orgs", { body: { orgName } });
  const found = await orgd.GET("/v1/orgs", { params: { query: { orgNameIs: orgName } } });
  assert.equal(calls, 2);
  assert.deepEqual(found.data.organizations.map((org) => org.orgId), [data.orgId]);
});

test("organizations returns each one once", async () => {
  const { response } = await orgd.GET("/v1/orgs", { params: { query: { limit: 1, total: true } } });
  const ids = new Set<string>();
  let count = 0;
  for await (const org of orgd.organizations()) {
    ids.add(org.orgId);
    count++;
  }
  assert.equal(String(count), response.headers.get("Orgd-Total"));
  assert.equal(ids.size, count);
  assert.ok(count > 200, "the sample has more than two pages");
});

test("an API key from creation to revocation", async () => {
  const { data } = await orgd.POST("/v1/api-keys", { body: { description: "Test", scopes: ["orgs:read"] } });
  const reader = createOrgd({ baseUrl, apiKey: () => data.key ?? "" });
  await reader.GET("/v1/orgs");
  const path = { apiKeyId: data.apiKeyId };
  await orgd.POST("/v1/api-keys/{apiKeyId}/revoke", { params: { path } });
  const keys = [];
  for await (const key of orgd.keys()) keys.push(key.apiKeyId);
  assert.ok(keys.includes(data.apiKeyId));
  await assert.rejects(async () => {
    for (let n = 0; n < 100; n++) {
      await reader.GET("/v1/orgs");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }, InvalidApiKeyError);
});

test("events waits for changes and continues at a cursor", async () => {
  const controller = new AbortController();
  const names: unknown[] = [];
  let cursor: string | undefined;
  let created = false;
  const onCursor = async (next: string) => {
    cursor = next;
    if (created) return;
    created = true;
    setTimeout(() => void orgd.POST("/v1/orgs", { body: { orgName: "Event 1" } }), 200); // while the next request waits
  };
  for await (const event of orgd.events({ cursor: "now", type: ["org.created"], wait: 1, signal: controller.signal, onCursor })) {
    names.push(event.after.orgName);
    controller.abort();
  }
  assert.deepEqual(names, ["Event 1"]);
  await orgd.POST("/v1/orgs", { body: { orgName: "Event 2" } });
  const again: unknown[] = [];
  for await (const event of orgd.events({ cursor, type: ["org.created"] })) {
    again.push(event.after.orgName);
    if (again.length === 2) break;
  }
  // onCursor was not called after the first event, so it comes again.
  assert.deepEqual(again, ["Event 1", "Event 2"]);
});

test("errors have their class, their fields and the id of the request", async () => {
  const error = await orgd.POST("/v1/orgs", { body: { orgName: "" } }).catch((e: unknown) => e);
  assert.ok(error instanceof InvalidFieldError);
  assert.equal(error.code, "invalid_field");
  assert.deepEqual(error.errors.map((one) => [one.field, one.code]), [["orgName", "required"]]);
  assert.equal(error.requestId, error.response.headers.get("X-Request-Id"));
  const wrong = createOrgd({ baseUrl, apiKey: "wrong" });
  await assert.rejects(wrong.GET("/v1/orgs"), InvalidApiKeyError);
  await assert.rejects(wrong.HEAD("/v1/orgs"), (e) => e instanceof OrgdError && e.status === 401 && e.code === undefined);
});

test("an export as a stream", async () => {
  const { data } = await orgd.GET("/v1/orgs", { parseAs: "stream", headers: { Accept: "application/x-ndjson" } });
  const lines = (await new Response(data).text()).trimEnd().split("\n");
  assert.deepEqual(JSON.parse(lines.at(-1) ?? ""), { complete: true, count: lines.length - 1 });
});
