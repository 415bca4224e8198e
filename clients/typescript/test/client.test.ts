import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import * as api from "@orgd/client";
import { createOrgd, errorClasses, OrgdConnectionError, OrgdError, type ErrorCode } from "@orgd/client";
import { hangUp, problem, serve } from "./server.js";

const apiKey = "orgd_test";
const org = { orgId: "org_1", orgName: "Acme" };
const document = JSON.parse(await readFile(new URL("../../../openapi.json", import.meta.url), "utf8"));

// resolved returns an object of openapi.json, following its $ref.
function resolved(object: { $ref?: string; name?: string }): { name?: string } {
  return object.$ref ? object.$ref.split("/").slice(1).reduce((at, name) => at[name], document) : object;
}

test("sends the key, the user and the query", async (t) => {
  const { baseUrl, seen } = await serve(t, { json: { hasMore: false, organizations: [] } });
  let calls = 0;
  const orgd = createOrgd({ baseUrl: `${baseUrl}/`, apiKey: async () => `key-${++calls}`, userId: "auth0|1 % é🙂" });
  const query = { limit: 2, isActive: true, orgId: ["org_1", "org_2"], metadata: { "a&b=c": "d e+f" } };
  const { data, response } = await orgd.GET("/v1/orgs", { params: { query } });
  assert.deepEqual(data.organizations, []);
  assert.equal(response.status, 200);
  assert.equal(seen[0]?.headers.authorization, "Bearer key-1");
  assert.equal(seen[0]?.headers["orgd-user"], "auth0|1 %25 %C3%A9%F0%9F%99%82");
  assert.equal(seen[0]?.headers["idempotency-key"], undefined);
  const url = new URL(seen[0]?.url ?? "", baseUrl);
  assert.deepEqual(
    [...url.searchParams],
    [["limit", "2"], ["isActive", "true"], ["orgId", "org_1"], ["orgId", "org_2"], ["metadata[a&b=c]", "d e+f"]],
  );
});

test("encodes ids in a path, and rejects those that would change the path", async (t) => {
  const { baseUrl, seen } = await serve(t, { json: {} });
  const orgd = createOrgd({ baseUrl, apiKey });
  await orgd.GET("/v1/orgs/{orgId}/users/{userId}", { params: { path: { orgId: "org_1", userId: "auth0|a/b?c" } } });
  assert.equal(seen[0]?.url, "/v1/orgs/org_1/users/auth0%7Ca%2Fb%3Fc");
  for (const userId of ["", ".", ".."]) {
    await assert.rejects(orgd.DELETE("/v1/users/{userId}", { params: { path: { userId } } }), TypeError);
  }
  assert.equal(seen.length, 1);
});

test("returns no data for an empty response", async (t) => {
  const { baseUrl } = await serve(t, { status: 204 }, { status: 304, headers: { ETag: '"1"' } });
  const orgd = createOrgd({ baseUrl, apiKey });
  const path = { orgId: "org_1" };
  assert.equal((await orgd.DELETE("/v1/orgs/{orgId}", { params: { path } })).data, undefined);
  const unchanged = await orgd.GET("/v1/orgs/{orgId}", { params: { path, header: { "If-None-Match": '"1"' } } });
  assert.equal(unchanged.data, undefined);
  assert.equal(unchanged.response.status, 304);
});

test("the package has the version of the release", async () => {
  const version = await readFile(new URL("../../../VERSION", import.meta.url), "utf8");
  const manifest = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8"));
  assert.equal(manifest.version, version.trim());
});

test("every POST and PATCH takes an Idempotency-Key", () => {
  let checked = 0;
  for (const [path, item] of Object.entries<Record<string, { parameters?: object[] }>>(document.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      const names = (operation.parameters ?? []).map((parameter) => resolved(parameter).name);
      assert.equal(names.includes("Idempotency-Key"), method === "post" || method === "patch", `${method} ${path}`);
      checked++;
    }
  }
  assert.ok(checked > 40);
});

test("all attempts of a call have the same Idempotency-Key, and the next call has another", async (t) => {
  const { baseUrl, seen } = await serve(t, hangUp, problem(503, "unavailable", { "Retry-After": "0" }), { status: 201, json: org }, { status: 201, json: org }, { json: org });
  const orgd = createOrgd({ baseUrl, apiKey });
  assert.deepEqual((await orgd.POST("/v1/orgs", { body: { orgName: "Acme" } })).data, org);
  await orgd.POST("/v1/orgs", { body: { orgName: "Acme" } });
  const header = { "Idempotency-Key": "mine" };
  await orgd.PATCH("/v1/orgs/{orgId}", { params: { path: { orgId: "org_1" }, header }, body: { orgName: "A" } });
  const keys = seen.map((request) => request.headers["idempotency-key"]);
  assert.match(String(keys[0]), /^[0-9a-f]{32}$/);
  assert.deepEqual(keys.slice(1, 3), [keys[0], keys[0]]);
  assert.notEqual(keys[3], keys[0]);
  assert.equal(keys[4], "mine");
  assert.deepEqual(seen.slice(0, 4).map((request) => request.body), Array(4).fill('{"orgName":"Acme"}'));
});

test("waits as long as Retry-After says", async (t) => {
  const { baseUrl, seen } = await serve(t, problem(429, "rate_limited", { "Retry-After": "1" }), { json: org });
  const started = performance.now();
  await createOrgd({ baseUrl, apiKey }).GET("/v1/orgs/{orgId}", { params: { path: { orgId: "org_1" } } });
  assert.equal(seen.length, 2);
  assert.ok(performance.now() - started >= 990);
});

test("retries what x-should-retry and the status allow", async (t) => {
  const at = { "Retry-After": "0" };
  const retried = [
    problem(408, "request_timeout", at),
    problem(429, "rate_limited", at),
    problem(500, "internal", at),
    { status: 502, headers: at, text: "<html>" },
    problem(503, "unavailable", at),
    { status: 504, headers: at, text: "" },
    problem(409, "idempotency_in_progress", at),
    { status: 418, headers: { ...at, "x-should-retry": "true" } },
  ];
  for (const answer of retried) {
    const { baseUrl, seen } = await serve(t, answer, { json: org });
    await createOrgd({ baseUrl, apiKey }).POST("/v1/orgs", { body: { orgName: "Acme" } });
    assert.equal(seen.length, 2);
  }
  const final = [
    problem(400, "invalid_parameter"),
    problem(409, "external_id_taken", { "x-should-retry": "false" }),
    problem(409, "external_id_taken"),
    problem(503, "unavailable", { "x-should-retry": "false" }),
    problem(503, "unavailable", { "Retry-After": "61" }),
    problem(503, "unavailable", { "Retry-After": "61", "x-should-retry": "true" }),
    problem(501, "not_implemented"),
  ];
  for (const answer of final) {
    const { baseUrl, seen } = await serve(t, answer);
    await assert.rejects(createOrgd({ baseUrl, apiKey }).POST("/v1/orgs", { body: { orgName: "Acme" } }), OrgdError);
    assert.equal(seen.length, 1);
  }
});

test("gives up after maxRetries", async (t) => {
  const answer = problem(503, "unavailable", { "Retry-After": "0" });
  const { baseUrl, seen } = await serve(t, answer, answer, answer, answer);
  await assert.rejects(createOrgd({ baseUrl, apiKey }).GET("/v1/orgs"), api.UnavailableError);
  assert.equal(seen.length, 3);
  await assert.rejects(createOrgd({ baseUrl, apiKey, maxRetries: 0 }).GET("/v1/orgs"), api.UnavailableError);
  assert.equal(seen.length, 4);
});

test("an error has the fields of the problem", async (t) => {
  const errors = [{ field: "limit", code: "out_of_range", detail: "Must be a whole number." }];
  const { baseUrl } = await serve(t, problem(400, "invalid_parameter", {}, { errors }));
  const error = await createOrgd({ baseUrl, apiKey }).GET("/v1/orgs").catch((e: unknown) => e);
  assert.ok(error instanceof api.InvalidParameterError && error instanceof OrgdError && error instanceof Error);
  assert.ok(!(error instanceof api.InvalidFieldError));
  const { name, status, code, title, detail, message, requestId } = error;
  assert.deepEqual(
    { name, status, code, title, detail, message, requestId },
    {
      name: "InvalidParameterError",
      status: 400,
      code: "invalid_parameter",
      title: "Title",
      detail: "What is wrong: invalid_parameter.",
      message: "What is wrong: invalid_parameter.",
      requestId: "r1",
    },
  );
  assert.deepEqual(error.errors, errors);
  assert.equal(error.retryAfter, undefined);
});

test("errors without a problem have no code", async (t) => {
  const { baseUrl } = await serve(
    t,
    { status: 404, text: "<html>", headers: { "X-Request-Id": "r2" } },
    problem(403, "a_later_code"),
    { status: 404 },
    { status: 404, text: "null" },
  );
  const orgd = createOrgd({ baseUrl, apiKey });
  for (const call of [orgd.GET, orgd.GET, orgd.HEAD, orgd.GET]) {
    const error = await call("/v1/orgs").catch((e: unknown) => e);
    assert.ok(error instanceof OrgdError);
    assert.equal(error.code, undefined);
    assert.equal(error.name, "OrgdError");
    assert.deepEqual(error.errors, []);
  }
});

test("there is a class for each code of openapi.yaml", async (t) => {
  const codes: ErrorCode[] = document.components.schemas.Problem.properties.code.enum;
  assert.deepEqual(Object.keys(errorClasses), codes);
  assert.equal(new Set(Object.values(errorClasses)).size, codes.length);
  const { baseUrl } = await serve(t, ...codes.map((code) => problem(400, code)));
  const orgd = createOrgd({ baseUrl, apiKey, maxRetries: 0 });
  for (const code of codes) {
    const error = await orgd.GET("/v1/orgs").catch((e: unknown) => e);
    assert.ok(error instanceof errorClasses[code]);
    assert.equal(error.code, code);
    assert.equal(error.name, errorClasses[code].name);
    assert.equal(api[error.name as keyof typeof api], errorClasses[code], `${error.name} is exported`);
  }
});

test("Retry-After may be a date", async (t) => {
  const { baseUrl } = await serve(t, problem(503, "unavailable", { "Retry-After": new Date(Date.now() + 100_000).toUTCString() }));
  const error = await createOrgd({ baseUrl, apiKey }).GET("/v1/orgs").catch((e: unknown) => e);
  assert.ok(error instanceof OrgdError && error.retryAfter && error.retryAfter > 90 && error.retryAfter <= 100);
});

test("network failures are OrgdConnectionError", async (t) => {
  const { baseUrl, seen } = await serve(
    t,
    hangUp,
    (response) => {
      response.writeHead(200, { "Content-Length": "100" }).write('{"hasMore":');
      setTimeout(() => response.destroy(), 20);
    },
    () => {}, // no response
    { text: '{"hasMore":' },
  );
  for (const timeout of [5000, 5000, 50, 5000]) {
    const error = await createOrgd({ baseUrl, apiKey, maxRetries: 0, timeout }).GET("/v1/orgs").catch((e: unknown) => e);
    assert.ok(error instanceof OrgdConnectionError, String(error));
    assert.ok(error.cause instanceof Error);
    assert.match(error.message, /^No response from http.*: ./);
  }
  assert.equal(seen.length, 4);
});

test("a response that breaks off is retried", async (t) => {
  const { baseUrl } = await serve(
    t,
    (response) => {
      response.writeHead(200, { "Content-Length": "100" }).write('{"orgId":');
      setTimeout(() => response.destroy(), 20);
    },
    { json: org },
  );
  const { data } = await createOrgd({ baseUrl, apiKey }).GET("/v1/orgs/{orgId}", { params: { path: { orgId: "org_1" } } });
  assert.deepEqual(data, org);
});

test("an aborted call rejects with the reason of the signal, also while it waits for a retry", async (t) => {
  const { baseUrl, seen } = await serve(t, () => {}, problem(503, "unavailable", { "Retry-After": "60" }));
  const orgd = createOrgd({ baseUrl, apiKey });
  for (let n = 1; n <= 2; n++) {
    const controller = new AbortController();
    const reason = new Error("Stop");
    const call = orgd.GET("/v1/orgs", { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 100);
    await assert.rejects(call, (error) => error === reason);
    assert.equal(seen.length, n);
  }
  await assert.rejects(orgd.GET("/v1/orgs", { signal: AbortSignal.abort() }), { name: "AbortError" });
  assert.equal(seen.length, 2);
});

test("an error in apiKey is not a network failure", async () => {
  const apiKey = () => {
    throw new RangeError("No key");
  };
  await assert.rejects(createOrgd({ baseUrl: "http://127.0.0.1:1", apiKey }).GET("/v1/orgs"), RangeError);
});

test("streams the body of an export", async (t) => {
  const { baseUrl, seen } = await serve(t, { headers: { "Content-Type": "application/x-ndjson" }, text: '{"orgId":"org_1"}\n{"complete":true,"count":1}\n' });
  const { data } = await createOrgd({ baseUrl, apiKey }).GET("/v1/orgs", { parseAs: "stream", headers: { Accept: "application/x-ndjson" } });
  assert.equal(seen[0]?.headers.accept, "application/x-ndjson");
  assert.match(await new Response(data).text(), /"complete":true/);
});
