// Makes the screenshots of the README. Run it with make screenshots: it needs a new server
// with sample organizations, to which it adds the changes of an account in use.
import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { base, call } from "./support/api.mjs";
import { launch } from "./support/chromium.mjs";
import { shrink } from "./support/png.mjs";

const directory = fileURLToPath(new URL("../../docs/images/", import.meta.url));
const largest = 120_000;

const day = 86_400_000;
const key = (description, scopes, days) => call("POST", "/v1/api-keys", { description, scopes, ...(days && { expiresAt: new Date(Date.now() + days * day).toISOString() }) });
const billing = await key("Billing", ["orgs:read", "orgs:write"], 90);
const crm = await key("CRM import", ["orgs:read", "orgs:write", "members:write"], 30);
const support = await key("Support console", ["orgs:read", "orgs:write", "members:write", "act-as-user"]);

/** Makes a change with a key, for a person if one is named. */
async function change(by, method, path, body, person) {
  const response = await fetch(`${base}${path}`, {
    method,
    headers: { Authorization: `Bearer ${by.key}`, "Content-Type": "application/json", ...(person && { "Orgd-User": person }) },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
}

// The machine that makes the pictures may have no font for these names.
const [all, unreadable] = [(await call("GET", "/v1/orgs?limit=100")).organizations, /[\u0590-\u1fff\u2e80-\uffff]/];
for (const { orgId } of all.filter((org) => unreadable.test(org.orgName))) {
  await call("POST", `/v1/orgs/${orgId}/deactivate`, {});
  await call("DELETE", `/v1/orgs/${orgId}`);
}
const first = await lastPosition();

const [subject, ...others] = all.filter((org) => !unreadable.test(org.orgName));
const [ada, ben] = ["ada@example.com", "ben@example.com"];
async function changeOthers(from, to) {
  for (const [i, org] of others.slice(from, to).entries()) {
    const path = `/v1/orgs/${org.orgId}`;
    if (i % 3 === 0) await change(billing, "PATCH", `${path}/metadata`, { plan: i % 2 ? "pro" : "enterprise" });
    if (i % 4 === 1) await change(crm, "PATCH", path, { externalId: `CRM-${2041 + 7 * (from + i)}` });
    if (org.isActive && i % 5 === 2) await change(support, "PATCH", `${path}/users`, { add: [{ userId: `auth0|${(40_213 + 977 * i).toString(16)}`, roles: ["admin"] }] }, i % 2 ? ada : ben);
    if (org.isActive && i % 17 === 9) await change(support, "POST", `${path}/deactivate`, {}, ada);
  }
}
const path = `/v1/orgs/${subject.orgId}`;
await changeOthers(30, 70);
await change(crm, "PATCH", path, { externalId: "CRM-1977" });
await changeOthers(70, 80);
await change(crm, "PATCH", `${path}/users`, { add: [{ userId: "auth0|ingrid", roles: ["owner"] }, { userId: "auth0|mateo", roles: ["viewer"] }] });
await change(billing, "PATCH", `${path}/metadata`, { plan: "pro", seats: "25" });
await changeOthers(10, 30);
await change(support, "PATCH", `${path}/users`, { add: [{ userId: "auth0|mateo", roles: ["admin", "billing:read"] }] }, ada);
await change(support, "PATCH", path, { orgName: `${subject.orgName.split(" ")[0]} Holding` }, ben);
await changeOthers(0, 10);
await change(billing, "PATCH", `${path}/metadata`, { plan: "enterprise", seats: "250" });

// A new server has events of one day. In the pictures, they are those of four weeks.
const last = await lastPosition();
async function lastPosition() {
  return (await call("GET", "/v1/events?order=-position&limit=1")).events[0].position;
}
function spread(position) {
  const time = new Date(Date.now() - 28 * day * (1 - (position - first) / (last - first)) ** 1.3 - 4 * 60_000);
  const weekend = { 6: 1, 0: 2 }[time.getUTCDay()];
  if (weekend) time.setTime(time.getTime() - weekend * day);
  return time.toISOString();
}
async function spreadTimes(route) {
  const response = await route.fetch();
  const page = await response.json();
  page.events = page.events.filter((event) => event.position > first);
  for (const event of page.events) event.occurredAt = spread(event.position);
  await route.fulfill({ response, json: page });
}

const browser = await launch();
try {
  await mkdir(directory, { recursive: true });
  const context = await browser.newContext({ viewport: { width: 1280, height: 760 }, colorScheme: "light", locale: "en-GB", timezoneId: "UTC", reducedMotion: "reduce" });
  const page = await context.newPage();
  await page.route((url) => /\/events$/.test(url.pathname) && !url.searchParams.has("wait"), spreadTimes);
  await page.goto(`${base}/dashboard`);
  await page.getByLabel("API key").fill(process.env.ORGD_API_KEY);
  await page.getByRole("button", { name: "Sign in" }).click();

  const shots = [
    ["organizations", "/organizations", page.getByRole("table").getByRole("link").first()],
    ["history", `/organizations/${subject.orgId}/history`, page.getByRole("list", { name: "History" })],
    ["activity", "/activity", page.getByRole("list", { name: "Changes, newest first" }).getByRole("link").first()],
  ];
  await shots[0][2].waitFor();
  for (const [name, address, ready] of shots) {
    await page.goto(`${base}/dashboard${address}`);
    await ready.waitFor();
    await page.waitForFunction(() => !document.querySelector(".skeleton, table[aria-busy=true]"));
    const image = shrink(await page.screenshot());
    console.log(`dashboard-${name}.png: ${image.length} bytes`);
    if (image.length > largest) throw new Error(`dashboard-${name}.png is larger than ${largest} bytes`);
    await writeFile(`${directory}dashboard-${name}.png`, image);
  }
} finally {
  await browser.close();
}
