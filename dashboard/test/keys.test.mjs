import assert from "node:assert/strict";
import { call, createKey, createOrganization, ended, send, word } from "./support/api.mjs";
import { gone, heading, scenario, see } from "./support/scenario.mjs";

const status = async (key) => (await send("GET", "/v1/orgs?limit=1", undefined, key)).status;

scenario("life cycle of a key", { at: "/keys" }, async ({ page }) => {
  const name = `CRM import ${word()}`;
  await page.getByRole("button", { name: "New key" }).click();
  await page.getByLabel("Description").fill(name);
  assert.ok(await page.getByRole("button", { name: "Create key" }).isDisabled(), "a key needs a scope");
  await page.getByLabel(/Read organizations/).check();
  await page.getByLabel("Expires").selectOption("30");
  await page.getByRole("button", { name: "Create key" }).click();
  const dialog = page.getByRole("dialog");
  const secret = await dialog.locator(".secret code").innerText();
  assert.match(secret, /^orgd_/);
  assert.equal(await status(secret), 200);

  // Whoever leaves without copying is warned once.
  await page.keyboard.press("Escape");
  await see(page, "You have not copied the key.");
  await page.getByRole("button", { name: "Copy the key" }).click();
  await gone(page.getByText("You have not copied the key."));
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), secret);
  await page.getByRole("button", { name: "Done, I have stored it" }).click();

  // It is shown once.
  await page.getByRole("table", { name: "API keys" }).getByRole("link", { name, exact: true }).click();
  await heading(page, name).waitFor();
  assert.ok(!(await page.content()).includes(secret));
  const { apiKeyId } = (await call("GET", "/v1/api-keys?limit=100")).apiKeys.find((key) => key.description === name);
  assert.ok(page.url().endsWith(apiKeyId));

  // Rotate: the old one works for a while.
  await page.getByRole("button", { name: "Rotate" }).click();
  await dialog.getByRole("button", { name: "Rotate" }).click();
  await see(page, "The key that replaces it");
  const next = await dialog.locator(".secret code").innerText();
  assert.notEqual(next, secret);
  assert.deepEqual([await status(secret), await status(next)], [200, 200]);
  await page.getByRole("button", { name: "Done, I have stored it" }).click();

  // Revoke the old one.
  await page.getByRole("button", { name: "Revoke" }).click();
  await dialog.getByRole("button", { name: "Revoke" }).click();
  await page.getByText("Revoked", { exact: true }).first().waitFor();
  await ended(secret);
  assert.equal(await status(next), 200);
  assert.equal(await page.getByRole("button", { name: "Revoke" }).count(), 0);
  const history = page.getByRole("list", { name: "History" });
  await history.getByText("API key revoked").waitFor();
  await history.getByText("API key rotated").waitFor();
  await history.getByText("API key created").waitFor();
});

// The server knows the last use to the hour, so the time of a recent use is not shown.
scenario("last use of a key", { at: "/organizations" }, async ({ page, key: session }) => {
  const key = await createKey(["orgs:read"]);
  let minutes = 30;
  await page.route(/\/v1\/api-keys\/[^/]+$/, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), lastUsedAt: new Date(Date.now() - minutes * 60_000).toISOString() } });
  });
  const open = () => page.goto(page.url().replace(/\/dashboard.*/, `/dashboard/keys/${key.apiKeyId}`));
  await open();
  await page.getByText("in the last hour", { exact: true }).waitFor();
  minutes = 180;
  await page.reload();
  await page.getByText("3 hours ago", { exact: true }).waitFor();

  // A use appears after a minute or more, but the own key is in use.
  await page.unrouteAll();
  const { apiKeyId } = await call("GET", "/v1/api-keys/current", undefined, session.key);
  await page.goto(page.url().replace(/[^/]+$/, apiKeyId));
  await page.getByText("just now", { exact: true }).first().waitFor();
  await page.goto(page.url().replace(/[^/]+$/, (await createKey(["orgs:read"])).apiKeyId));
  await page.getByRole("button", { name: "Revoke" }).click();
  await see(page, "No use of it is recorded, except perhaps in the last minutes.");
});

scenario("rotate a key that ends at once", { at: "/keys" }, async ({ page }) => {
  const old = await createKey(["orgs:read"]);
  await page.reload();
  await page.getByRole("button", { name: `Actions for ${old.description}` }).click();
  await page.getByRole("menuitem", { name: "Rotate…" }).click();
  await page.getByLabel("How long the old key keeps working").selectOption("0");
  await page.getByRole("dialog").getByRole("button", { name: "Rotate" }).click();
  const next = await page.locator(".secret code").innerText();
  await ended(old.key);
  assert.equal(await status(next), 200);
});

scenario("rotate the own key, which ends at once", { at: "/keys" }, async ({ page, key }) => {
  await page.getByRole("button", { name: `Actions for ${key.description}` }).click();
  await page.getByRole("menuitem", { name: "Rotate…" }).click();
  await see(page, "You will be signed in with the new one.");
  await page.getByLabel("How long the old key keeps working").selectOption("0");
  await page.getByRole("dialog").getByRole("button", { name: "Rotate" }).click();
  const next = await page.locator(".secret code").innerText();
  await ended(key.key);
  assert.equal(await status(next), 200);
  await page.getByRole("button", { name: "Copy the key" }).click();
  await page.getByRole("button", { name: "Done, I have stored it" }).click();
  await page.getByRole("row").filter({ hasText: "your key" }).filter({ hasText: `orgd_…${next.slice(-4)}` }).waitFor();
  await page.reload();
  await heading(page, "API keys").waitFor();
});

scenario("revoke the own key", { at: "/keys" }, async ({ page, key }) => {
  await page.getByRole("button", { name: `Actions for ${key.description}` }).click();
  await page.getByRole("menuitem", { name: "Revoke…" }).click();
  await see(page, "You will be signed out.");
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await heading(page, "Sign in").waitFor();
  await ended(key.key);
});

scenario("a key gives only its own scopes", { scopes: ["keys:manage", "orgs:read"], at: "/keys" }, async ({ page }) => {
  await page.getByRole("button", { name: "New key" }).click();
  await page.getByLabel(/Read organizations/).waitFor();
  assert.deepEqual(await page.getByRole("dialog").locator("fieldset.scopes label code").allInnerTexts(), ["orgs:read", "keys:manage"]);
});

// What a key may not do is not offered, and the pages only read.
scenario("read-only key", { scopes: ["orgs:read"] }, async ({ page }) => {
  const name = `Tyrell ${word()}`;
  const org = await createOrganization(name, { metadata: { plan: "pro" }, externalId: `crm/${word()}` });
  await call("PATCH", `/v1/orgs/${org.orgId}/users`, { add: [{ userId: "auth0|eldon", roles: ["owner"] }] });
  const writes = [];
  page.on("request", (request) => request.method() !== "GET" && writes.push(`${request.method()} ${request.url()}`));
  const start = page.url().replace(/\/dashboard.*/, "/dashboard");
  const harmless = /^(Sign out|Filter|Columns|Export|Name|Created|User|Added|Previous|Next|Find|Copy .* id|Remove the filter .*)$/;
  const offers = async (what) => {
    const names = await page.getByRole("button").evaluateAll((buttons) => buttons.map((b) => b.getAttribute("aria-label") ?? b.textContent.trim()));
    assert.deepEqual(names.filter((n) => !harmless.test(n)), [], what);
  };
  assert.deepEqual(await page.getByRole("navigation", { name: "Main" }).getByRole("link").allInnerTexts(), ["Organizations", "Usage"]);
  await page.getByRole("table").getByRole("link").first().waitFor();
  await offers("organizations");
  await page.goto(`${start}/organizations?q=${name}&state=deactivated`);
  await see(page, "No organization matches");
  await offers("an empty list");
  await page.goto(`${start}/organizations/${org.orgId}`);
  await heading(page, name).waitFor();
  await see(page, "plan");
  await offers("an organization");
  assert.deepEqual(await page.getByRole("navigation", { name: "Organization", exact: true }).getByRole("link").allInnerTexts(), ["Overview", "Members (1)"]);
  await page.getByRole("link", { name: "Members (1)" }).click();
  await page.getByRole("rowheader", { name: /eldon/ }).waitFor();
  await offers("members");
  await call("POST", `/v1/orgs/${org.orgId}/deactivate`, {});
  await page.reload();
  await see(page, "This organization is deactivated.");
  await offers("a deactivated organization");
  await page.getByRole("link", { name: "Usage" }).click();
  await heading(page, "Usage").waitFor();
  await offers("usage");
  for (const path of ["keys", "webhooks", "activity"]) {
    await page.goto(`${start}/${path}`);
    await see(page, "Your key cannot open this page");
    await offers(path);
  }
  assert.deepEqual(writes, []);
});
