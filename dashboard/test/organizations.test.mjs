import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { base, call, createOrganization, word } from "./support/api.mjs";
import { gone, heading, lists, scenario, see, signIn } from "./support/scenario.mjs";

const searchField = (page) => page.getByRole("searchbox", { name: "Search organizations by name" });
const link = (page, name) => page.getByRole("table", { name: "Organizations" }).getByRole("link", { name, exact: true });

/** Creates organizations and returns their names in order. */
async function createMany(batch, count) {
  const names = Array.from({ length: count }, (_, i) => `Fleet ${String(i + 1).padStart(2, "0")} ${batch}`);
  for (let i = 0; i < count; i += 10) await Promise.all(names.slice(i, i + 10).map((name) => createOrganization(name, { metadata: { batch } })));
  return names;
}

scenario("search as you type", {}, async ({ page }) => {
  const name = word();
  await createOrganization(`Åkesson ${name}`);
  await createOrganization(`Bergström ${name}`);
  await page.keyboard.press("/");
  await page.keyboard.type(`akesson ${name}`, { delay: 1 }); // as people type it, without the ring
  await link(page, `Åkesson ${name}`).waitFor();
  await page.waitForURL((url) => url.searchParams.get("q") === `akesson ${name}`);
  await lists(page, "Organizations", [`Åkesson ${name}`]);

  await searchField(page).fill(`${name} nobody`);
  await see(page, "No organization matches");
  await page.getByRole("link", { name: "Clear search and filters" }).click();
  await page.waitForURL((url) => url.search === "");
  assert.equal(await searchField(page).inputValue(), "");
});

scenario("search: the last answer wins", {}, async ({ page }) => {
  const name = word();
  const [slow, fast] = [`Slow ${name}`, `Fast ${name}`];
  await createOrganization(slow);
  await createOrganization(fast);
  // The answer to the first search arrives after that to the second.
  let release;
  const held = new Promise((resolve) => (release = resolve));
  let first;
  const asked = new Promise((resolve) => (first = resolve));
  await page.route(
    (url) => url.pathname === "/v1/orgs" && url.searchParams.get("orgName") === slow,
    async (route) => {
      const response = await route.fetch();
      first();
      await held;
      await route.fulfill({ response }).catch(() => {}); // the page may have given it up
    },
  );
  await searchField(page).fill(slow);
  await asked;
  await searchField(page).fill(fast);
  await link(page, fast).waitFor();
  release();
  await page.unrouteAll({ behavior: "wait" });
  // One more round trip, so that a late answer had its chance.
  await page.evaluate(() => fetch("/readyz").then(() => new Promise(requestAnimationFrame)));
  await lists(page, "Organizations", [fast]);
  assert.equal(await searchField(page).inputValue(), fast);
});

scenario("page forward and back", {}, async ({ page }) => {
  const batch = word();
  const names = await createMany(batch, 60);
  await page.goto(`${base}/dashboard/organizations?metadata.batch=${batch}&order=orgName`);
  const shows = (from, to) => lists(page, "Organizations", names.slice(from, to));
  const [previous, next] = [page.getByRole("button", { name: "Previous" }), page.getByRole("button", { name: "Next" })];
  await shows(0, 25);
  await page.getByText("60", { exact: true }).waitFor(); // the total
  assert.equal(await previous.getAttribute("aria-disabled"), "true");
  await next.click();
  await shows(25, 50);
  await next.click();
  await shows(50, 60);
  assert.equal(await next.getAttribute("aria-disabled"), "true");
  await previous.click();
  await shows(25, 50);
  await previous.click();
  await shows(0, 25);
  await page.goBack(); // the browser's own button goes through the same pages
  await shows(25, 50);
  await page.goBack();
  await shows(50, 60);
  await page.goForward();
  await shows(25, 50);
  await page.reload();
  await shows(25, 50);
});

scenario("deep link", { signsIn: false }, async ({ page, key }) => {
  const name = word();
  const [open, closed] = [await createOrganization(`Open ${name}`, { metadata: { plan: "pro" } }), await createOrganization(`Closed ${name}`, { metadata: { plan: "pro" } })];
  await createOrganization(`Other ${name}`, { metadata: { plan: "free" } });
  await call("POST", `/v1/orgs/${closed.orgId}/deactivate`, {});
  await page.goto(`${base}/dashboard/organizations?q=${name}&metadata.plan=pro&order=-orgName`);
  await signIn(page, key.key);
  await link(page, open.orgName).waitFor();
  await lists(page, "Organizations", [open.orgName, closed.orgName]);
  assert.equal(await searchField(page).inputValue(), name);
  await page.getByRole("columnheader", { name: "Name" }).and(page.locator("[aria-sort=descending]")).waitFor();

  // One more filter, and the address follows.
  await page.getByRole("button", { name: "Filter", exact: true }).click();
  await page.getByRole("dialog").getByLabel("State").selectOption("deactivated");
  await page.getByRole("button", { name: "Apply" }).click();
  await page.waitForURL((url) => url.searchParams.get("state") === "deactivated" && url.searchParams.get("metadata.plan") === "pro" && url.searchParams.get("q") === name);
  await lists(page, "Organizations", [closed.orgName]);
  await page.getByRole("button", { name: "Remove the filter State" }).click();
  await link(page, open.orgName).waitFor();
});

scenario("filters by member and external id", {}, async ({ page }) => {
  const [name, user, external] = [word(), `auth0|${word()}`, `crm/${word()}`];
  const org = await createOrganization(`Pied Piper ${name}`, { externalId: external });
  await call("PATCH", `/v1/orgs/${org.orgId}/users`, { add: [{ userId: user, roles: ["owner"] }] });
  const filter = async (label, value) => {
    await page.goto(`${base}/dashboard/organizations`);
    await page.getByRole("button", { name: "Filter", exact: true }).click();
    await page.getByRole("dialog").getByLabel(label).fill(value);
    await page.getByRole("button", { name: "Apply" }).click();
    await lists(page, "Organizations", [org.orgName]);
  };
  await filter("Member", user);
  await page.getByRole("columnheader", { name: "Member’s roles" }).waitFor();
  await page.getByRole("cell", { name: "owner" }).waitFor();
  await filter("External id", external);
});

scenario("hidden columns are remembered", {}, async ({ page }) => {
  await page.getByRole("button", { name: "Columns" }).click();
  await page.getByLabel("External id").uncheck();
  await page.getByLabel("Updated").check();
  await page.keyboard.press("Escape");
  await gone(page.getByRole("columnheader", { name: "External id" }));
  await page.reload();
  await page.getByRole("columnheader", { name: "Updated" }).waitFor();
  assert.equal(await page.getByRole("columnheader", { name: "External id" }).count(), 0);
});

scenario("export of what is filtered", {}, async ({ page }) => {
  const batch = word();
  const names = await createMany(batch, 3);
  await createOrganization(`Not in it ${word()}`);
  await page.goto(`${base}/dashboard/organizations?metadata.batch=${batch}&order=orgName`);
  await link(page, names[0]).waitFor();
  const saving = page.waitForEvent("download");
  await page.getByRole("button", { name: "Export" }).click();
  const lines = readFileSync(await (await saving).path(), "utf8").trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(lines.filter((line) => line.orgName).map((line) => line.orgName), names);
  assert.equal(lines.at(-1).complete, true);
  await see(page, /exported/);
});

scenario("an organization that does not exist", { at: `/organizations/org_${"0".repeat(32)}` }, async ({ page }) => {
  await heading(page, "Organization not found").waitFor();
  await page.getByRole("link", { name: "All organizations" }).click();
  await heading(page, "Organizations").waitFor();
});
