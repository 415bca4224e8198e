import assert from "node:assert/strict";
import { call, createKey, createOrganization, word } from "./support/api.mjs";
import { gone, scenario, see } from "./support/scenario.mjs";

const live = (page) => page.getByText("Live", { exact: true });
const changes = (page) => page.getByRole("list", { name: "Changes, newest first" }).locator(":scope > li");

scenario("activity is live", { at: "/activity" }, async ({ page, key }) => {
  await live(page).waitFor();
  await page.getByRole("img", { name: /changes? in .* days?, at most/ }).waitFor();
  const name = word();
  const org = await call("POST", "/v1/orgs", { orgName: `Aperture ${name}` }, key.key);
  await changes(page).filter({ hasText: `Aperture ${name}` }).filter({ hasText: key.description }).waitFor();
  await call("PATCH", `/v1/orgs/${org.orgId}`, { orgName: `Aperture Science ${name}` }, key.key);
  const renamed = changes(page).filter({ has: page.getByText("Organization changed") }).filter({ hasText: `Aperture Science ${name}` });
  await renamed.waitFor();
  assert.equal(await renamed.locator("del bdi").innerText(), `Aperture ${name}`);

  await renamed.getByRole("link", { name: new RegExp(name) }).click();
  await page.getByRole("heading", { level: 1, name: `Aperture Science ${name}` }).waitFor();
});

scenario("activity of one kind", { at: "/activity" }, async ({ page }) => {
  await live(page).waitFor();
  await page.getByLabel("Show").selectOption("api_key");
  await page.waitForURL((url) => url.searchParams.get("type") === "api_key");
  await live(page).waitFor();
  const org = await createOrganization(`Not shown ${word()}`);
  const key = await createKey(["orgs:read"]);
  await changes(page).filter({ hasText: key.description }).first().waitFor();
  assert.equal(await changes(page).filter({ hasText: org.orgName }).count(), 0);
  for (const title of await changes(page).locator("strong").allInnerTexts()) assert.match(title, /^API key/);
});

scenario("activity reads back", { at: "/activity?type=org.created" }, async ({ page }) => {
  await live(page).waitFor();
  const tag = word();
  const [size, batch] = [400, 100];
  for (let n = 0; n < size; n += batch) await call("POST", "/v1/orgs/batch", { organizations: Array.from({ length: batch }, (_, i) => ({ orgName: `Row ${tag} ${n + i}` })) });
  await page.reload();
  await live(page).waitFor();
  for (let shown = 50; shown < size; shown += 50) {
    await page.getByRole("button", { name: "Show older changes" }).click();
    await changes(page).nth(shown).waitFor();
  }
  const rows = await changes(page).allInnerTexts();
  const numbers = rows.slice(0, size).map((text) => Number(new RegExp(`Row ${tag} (\\d+)`).exec(text)?.[1]));
  assert.deepEqual(
    numbers.toSorted((a, b) => a - b),
    Array.from({ length: size }, (_, i) => i),
  );
});

// The server is gone and comes back. Only this page is cut off.
scenario("activity catches up after a lost connection", { at: "/activity", expects: /net::ERR_INTERNET_DISCONNECTED/ }, async ({ page, context }) => {
  await live(page).waitFor();
  await context.setOffline(true);
  // The call that waits for events is still open. The next one fails.
  await createOrganization(`Wakes the reader ${word()}`);
  await see(page, "Reconnecting");
  const org = await createOrganization(`Missed ${word()}`);
  await context.setOffline(false);
  await changes(page).filter({ hasText: org.orgName }).waitFor();
  await live(page).waitFor();
  await gone(page.getByText("No connection to the server."));
});
