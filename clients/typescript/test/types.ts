// The compiler checks this file; nothing runs it.
import { createOrgd, InvalidFieldError, OrgdError, type ErrorCode, type Organization } from "@orgd/client";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function is<_ extends true>(): void {}

export async function types(): Promise<void> {
  const orgd = createOrgd({ baseUrl: "", apiKey: async () => "key" });

  const page = await orgd.GET("/v1/orgs", { params: { query: { limit: 2, userId: "u", metadata: { region: "eu" } } } });
  is<Equal<(typeof page.data.organizations)[number], Organization>>();
  is<Equal<typeof page.response, Response>>();
  await orgd.GET("/v1/orgs");

  const created = await orgd.POST("/v1/orgs", { body: { orgName: "Acme" } });
  is<Equal<typeof created.data.orgId, string>>();
  const put = await orgd.PUT("/v1/orgs/external/{externalId}", { params: { path: { externalId: "crm/1" } }, body: { orgName: "Acme" } });
  is<Equal<typeof put.data.revision, number>>();
  const path = { orgId: created.data.orgId };
  await orgd.POST("/v1/orgs/{orgId}/deactivate", { params: { path } });
  await orgd.PATCH("/v1/orgs/{orgId}/metadata", { params: { path }, body: { region: null, crm: "1" } });
  const members = await orgd.PATCH("/v1/orgs/{orgId}/users", { params: { path }, body: { add: [{ userId: "u", roles: ["owner"] }] } });
  is<Equal<typeof members.data.added, number>>();
  const deleted = await orgd.DELETE("/v1/orgs/{orgId}", { params: { path, header: { "If-Match": '"1"' } } });
  is<Equal<typeof deleted.data, undefined>>();
  const key = await orgd.POST("/v1/api-keys", { body: { description: "n", scopes: ["orgs:read"] } });
  is<Equal<typeof key.data.key, string | undefined>>();
  const stream = await orgd.GET("/v1/orgs", { parseAs: "stream", headers: { Accept: "application/x-ndjson" } });
  is<Equal<typeof stream.data, ReadableStream<Uint8Array>>>();

  // @ts-expect-error: the path does not exist
  await orgd.GET("/v1/nothing");
  // @ts-expect-error: the path has no such method
  await orgd.PUT("/v1/orgs");
  // @ts-expect-error: the parameter does not exist
  await orgd.GET("/v1/orgs", { params: { query: { limit: 2, limt: 2 } } });
  // @ts-expect-error: a required path parameter is missing
  await orgd.GET("/v1/orgs/{orgId}");
  // @ts-expect-error: a required field is missing
  await orgd.POST("/v1/orgs", { body: {} });
  // @ts-expect-error: the field does not exist
  await orgd.POST("/v1/orgs", { body: { orgName: "Acme", nmae: 1 } });

  for await (const org of orgd.organizations({ order: "orgName", isActive: true })) is<Equal<typeof org, Organization>>();
  for await (const member of orgd.members(path.orgId, { role: "owner" })) is<Equal<typeof member.userId, string>>();
  for await (const event of orgd.events({ type: ["org.created"], cursor: "now" })) is<Equal<typeof event.position, number>>();
  // @ts-expect-error: the iterator sets the cursor
  orgd.organizations({ cursor: "c" });

  const error: unknown = undefined;
  if (error instanceof InvalidFieldError) {
    is<Equal<typeof error.code, "invalid_field">>();
  } else if (error instanceof OrgdError) {
    is<Equal<typeof error.code, ErrorCode | undefined>>();
  }
}
