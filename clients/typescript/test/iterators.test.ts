import assert from "node:assert/strict";
import test from "node:test";
import { createOrgd, CursorExpiredError, InvalidApiKeyError, OrgdConnectionError, OrgdError } from "@orgd/client";
import { hangUp, problem, serve } from "./server.js";

const apiKey = "orgd_test";

test("organizations reads all pages with the same filters", async (t) => {
  const { baseUrl, seen } = await serve(
    t,
    { json: { hasMore: true, cursor: "c1", organizations: [{ orgId: "org_1" }, { orgId: "org_2" }] } },
    problem(503, "unavailable", { "Retry-After": "0" }),
    { json: { hasMore: false, organizations: [{ orgId: "org_3" }] } },
  );
  const ids = [];
  for await (const org of createOrgd({ baseUrl, apiKey }).organizations({ order: "orgName", limit: 2 })) ids.push(org.orgId);
  assert.deepEqual(ids, ["org_1", "org_2", "org_3"]);
  const next = "/v1/orgs?limit=2&order=orgName&cursor=c1";
  assert.deepEqual(seen.map((request) => request.url), ["/v1/orgs?limit=2&order=orgName", next, next]);
});

test("the loop fetches a page only when it needs it", async (t) => {
  const { baseUrl, seen } = await serve(t, { json: { hasMore: true, cursor: "c1", organizations: [{ orgId: "org_1" }] } });
  for await (const org of createOrgd({ baseUrl, apiKey }).organizations()) {
    assert.equal(org.orgId, "org_1");
    break;
  }
  assert.equal(seen.length, 1);
});

test("members, keys and webhooks", async (t) => {
  const { baseUrl, seen } = await serve(
    t,
    { json: { hasMore: false, users: [{ userId: "u" }] } },
    { json: { hasMore: false, apiKeys: [{ apiKeyId: "k" }] } },
    { json: { hasMore: false, webhooks: [{ webhookId: "w" }] } },
  );
  const orgd = createOrgd({ baseUrl, apiKey });
  for await (const member of orgd.members("org_1", { role: "owner" })) assert.equal(member.userId, "u");
  for await (const key of orgd.keys()) assert.equal(key.apiKeyId, "k");
  for await (const webhook of orgd.webhooks()) assert.equal(webhook.webhookId, "w");
  assert.deepEqual(
    seen.map((request) => request.url),
    ["/v1/orgs/org_1/users?limit=100&role=owner", "/v1/api-keys?limit=100", "/v1/webhooks?limit=100"],
  );
});

test("an aborted walk throws, so that a part does not look like the whole", async (t) => {
  const { baseUrl } = await serve(t, { json: { hasMore: true, cursor: "c1", organizations: [{ orgId: "org_1" }] } });
  const controller = new AbortController();
  await assert.rejects(async () => {
    for await (const _ of createOrgd({ baseUrl, apiKey }).organizations({ signal: controller.signal })) controller.abort();
  }, { name: "AbortError" });
});

const events = (cursor: string, ...positions: number[]) => ({
  json: { hasMore: false, cursor, events: positions.map((position) => ({ position, type: "org.created" })) },
});

test("events follows the feed, and reports each cursor after its events", async (t) => {
  const { baseUrl, seen } = await serve(t, events("c1", 1, 2), events("c2"), events("c3", 3), () => {});
  const log: (string | number)[] = [];
  const controller = new AbortController();
  const onCursor = (cursor: string) => {
    log.push(cursor);
    if (cursor === "c3") setTimeout(() => controller.abort(), 50); // during the fourth request
  };
  for await (const event of createOrgd({ baseUrl, apiKey }).events({ cursor: "now", type: ["org.created"], signal: controller.signal, onCursor })) {
    log.push(event.position);
  }
  assert.deepEqual(log, [1, 2, "c1", "c2", 3, "c3"]);
  assert.deepEqual(
    seen.map((request) => request.url),
    ["now", "c1", "c2", "c3"].map((cursor) => `/v1/events?limit=100&wait=30&cursor=${cursor}&type=org.created`),
  );
});

test("events ends at once when it is aborted between two events", async (t) => {
  const { baseUrl } = await serve(t, events("c1", 1, 2));
  const controller = new AbortController();
  const seen = [];
  for await (const event of createOrgd({ baseUrl, apiKey }).events({ signal: controller.signal })) {
    seen.push(event.position);
    controller.abort();
  }
  assert.deepEqual(seen, [1]);
});

test("events continues at the same cursor after failures", async (t) => {
  const { baseUrl, seen } = await serve(t, events("c1", 1), hangUp, problem(503, "unavailable", { "Retry-After": "0" }), events("c2"), events("c3", 2));
  const failures: unknown[] = [];
  const positions = [];
  const orgd = createOrgd({ baseUrl, apiKey, maxRetries: 0 });
  for await (const event of orgd.events({ onRetry: (error) => failures.push(error) })) {
    positions.push(event.position);
    if (event.position === 2) break;
  }
  assert.deepEqual(positions, [1, 2]);
  assert.ok(failures[0] instanceof OrgdConnectionError && failures[1] instanceof OrgdError && failures.length === 2);
  assert.deepEqual(
    seen.map((request) => new URL(request.url, baseUrl).search.replace("?limit=100&", "")),
    ["wait=30", "wait=30&cursor=c1", "wait=0&cursor=c1", "wait=0&cursor=c1", "wait=30&cursor=c2"],
  );
});

test("events throws what a retry cannot fix", async (t) => {
  const { baseUrl } = await serve(t, problem(410, "cursor_expired"), problem(401, "invalid_api_key"));
  const orgd = createOrgd({ baseUrl, apiKey });
  for (const expected of [CursorExpiredError, InvalidApiKeyError]) {
    await assert.rejects(async () => {
      for await (const _ of orgd.events({ cursor: "old" }));
    }, expected);
  }
});
