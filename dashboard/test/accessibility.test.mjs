// Every page and dialog in both themes, at 1440 and at 360 px: no violation that axe-core
// finds, no page wider than the window, and a screenshot to look at.
import assert from "node:assert/strict";
import { join } from "node:path";
import { base, call, createKey, createOrganization, revokeKey, word } from "./support/api.mjs";
import { accessible } from "./support/axe.mjs";
import { fits, heading, scenario, screenshots, see, settled, signIn } from "./support/scenario.mjs";

let account;
/** Organizations with members and history, keys in each state, and webhooks. */
const prepare = () => (account ??= makeAccount());

async function makeAccount() {
  const batch = word();
  const names = ["Northwind Traders", "Bramble Labs", "Contoso", "Ελλάς Ναυτιλιακή", "株式会社さくら", "شركة النور"];
  const orgs = [];
  for (const name of names) orgs.push(await createOrganization(name, { externalId: `crm/${word()}`, metadata: { plan: "pro", region: "eu-north", batch } }));
  const [org, closed] = orgs;
  await call("PATCH", `/v1/orgs/${org.orgId}`, { orgName: "Northwind Trading" });
  await call("PATCH", `/v1/orgs/${org.orgId}/metadata`, { plan: "enterprise", region: null, seats: "250" });
  const users = Array.from({ length: 60 }, (_, i) => ({ userId: `auth0|user-${String(i).padStart(3, "0")}`, roles: i ? ["member"] : ["owner", "billing:read"] }));
  await call("PATCH", `/v1/orgs/${org.orgId}/users`, { add: users });
  await call("PATCH", `/v1/orgs/${org.orgId}/users`, { add: [{ userId: "auth0|user-001", roles: ["admin"] }], remove: ["auth0|user-003"] });
  await call("POST", `/v1/orgs/${closed.orgId}/deactivate`, {});
  const key = await call("POST", "/v1/api-keys", { description: "CRM import", scopes: ["orgs:read", "orgs:write"], expiresAt: new Date(Date.now() + 3 * 86_400_000).toISOString() });
  await revokeKey(await createKey(["orgs:read", "events:read"], "Old import"));
  // Nothing listens at this port.
  const hook = await call("POST", "/v1/webhooks", { url: "http://127.0.0.1:9/orgd", description: "CRM", types: ["org.created", "org.updated"] });
  await call("POST", `/v1/webhooks/${hook.webhookId}/test`);
  return { batch, org, closed, key, hook };
}

async function check(page, name, { width, theme }) {
  await settled(page);
  await page.screenshot({ path: join(screenshots, `${name}-${width}-${theme}.png`) });
  await fits(page, name);
  const hidden = await page.locator(".side nav [aria-current]").evaluateAll((links) => links.filter((a) => a.getBoundingClientRect().left < 0 || a.getBoundingClientRect().right > document.documentElement.clientWidth).map((a) => a.textContent));
  assert.deepEqual(hidden, [], `the page in the navigation, ${name}`);
  await accessible(page, `${name}, ${width} px, ${theme}`);
}

for (const theme of ["light", "dark"]) {
  for (const width of [1440, 360]) {
    const window = { viewport: { width, height: width < 500 ? 760 : 900 }, colorScheme: theme };
    const at = { width, theme };

    scenario(`pages, ${width} px, ${theme}`, { signsIn: false, window }, async ({ page, key }) => {
      const { batch, org, closed, key: other, hook } = await prepare();
      const go = (path) => page.goto(`${base}/dashboard${path}`);
      await heading(page, "Sign in").waitFor();
      await check(page, "sign-in", at);
      await page.getByLabel("API key").fill("orgd_wrong");
      await page.getByRole("button", { name: "Sign in" }).click();
      await see(page, "This key does not work");
      await check(page, "sign-in-wrong-key", at);
      await signIn(page, key.key);

      const pages = [
        ["organizations", "/organizations", () => page.getByRole("table").getByRole("link").first().waitFor()],
        ["organizations-filtered", `/organizations?q=b&metadata.batch=${batch}&state=deactivated`, () => page.getByRole("link", { name: "Bramble Labs" }).waitFor()],
        ["organizations-none", `/organizations?q=${batch}`, () => see(page, "No organization matches")],
        ["organization", `/organizations/${org.orgId}`, () => heading(page, "Northwind Trading").waitFor()],
        ["organization-deactivated", `/organizations/${closed.orgId}`, () => see(page, "This organization is deactivated.")],
        ["members", `/organizations/${org.orgId}/members`, () => page.getByRole("rowheader").first().waitFor()],
        ["members-none", `/organizations/${closed.orgId}/members`, () => see(page, "No members yet")],
        ["history", `/organizations/${org.orgId}/history`, () => page.getByRole("list", { name: "History" }).waitFor()],
        ["organization-missing", `/organizations/org_${"0".repeat(32)}`, () => heading(page, "Organization not found").waitFor()],
        ["keys", "/keys", () => page.getByRole("table").getByRole("link").first().waitFor()],
        ["key", `/keys/${other.apiKeyId}`, () => page.getByRole("list", { name: "History" }).waitFor()],
        ["webhooks", "/webhooks", () => page.getByRole("table").getByRole("link").first().waitFor()],
        ["webhook", `/webhooks/${hook.webhookId}`, () => page.getByRole("table").getByText("Test").waitFor()],
        ["activity", "/activity", () => page.getByText("Live", { exact: true }).waitFor()],
        ["usage", "/usage", () => see(page, "No limit")],
        ["no-such-page", "/nothing", () => see(page, "There is no such page")],
      ];
      for (const [name, path, ready] of pages) {
        await go(path);
        await ready();
        await check(page, name, at);
      }
    });

    scenario(`dialogs, ${width} px, ${theme}`, { window, expects: /net::ERR_INTERNET_DISCONNECTED/ }, async ({ page, context }) => {
      const { hook } = await prepare();
      const go = (path) => page.goto(`${base}/dashboard${path}`);
      const click = (role, name) => page.getByRole(role, { name }).first().click();
      const dialog = async (name) => {
        await page.getByRole("dialog").waitFor();
        await check(page, name, at);
        await page.keyboard.press("Escape");
      };
      await click("button", "Filter");
      await dialog("filter");
      await click("button", "Columns");
      await page.getByRole("group", { name: "Columns" }).waitFor();
      await check(page, "columns", at);
      await page.keyboard.press("Escape");
      await click("button", "New organization");
      await click("button", "Add a pair");
      await dialog("organization-create");

      const org = await createOrganization("Fabrikam");
      await go(`/organizations/${org.orgId}`);
      await click("button", "Add a pair");
      await dialog("pair-add");
      await click("button", "Edit name");
      await check(page, "rename", at);
      await call("PATCH", `/v1/orgs/${org.orgId}`, { orgName: `Fabrikam ${"Residences ".repeat(12)}` });
      await page.getByRole("textbox", { name: "Name" }).fill("Fabrikam Inc.");
      await page.keyboard.press("Enter");
      await page.getByRole("dialog").waitFor();
      await check(page, "conflict", at);
      await click("button", "Overwrite with yours");
      await see(page, "The organization was renamed.");
      await check(page, "toast", at);
      await click("button", "Deactivate");
      await page.getByRole("dialog").getByRole("button", { name: "Deactivate" }).click();
      await page.getByRole("button", { name: "Delete" }).click();
      await dialog("organization-delete");

      await go("/keys");
      await click("button", "New key");
      await dialog("key-create");
      await click("button", /^Actions for/);
      await page.getByRole("menu").waitFor();
      await check(page, "key-menu", at);
      await click("menuitem", "Edit");
      await dialog("key-edit");
      await click("button", "New key");
      await page.getByLabel("Description").fill("Support");
      await page.getByLabel(/Read organizations/).check();
      await click("button", "Create key");
      await page.getByRole("button", { name: "Copy the key" }).waitFor();
      await check(page, "key-secret", at);

      await go("/webhooks");
      await click("button", "New webhook");
      await page.getByLabel("Only these types").check();
      await page.getByLabel("URL").fill("ftp://example.com");
      await page.getByLabel("Description").fill("Wrong");
      await page.getByLabel(/Organization created/).check();
      await click("button", "Create webhook");
      await page.getByLabel("URL").and(page.locator("[aria-invalid=true]")).waitFor();
      await dialog("webhook-create");
      await go(`/webhooks/${hook.webhookId}`);
      await click("button", "More actions");
      await click("menuitem", "Replay");
      await dialog("webhook-replay");

      await context.setOffline(true);
      await page.getByRole("link", { name: "API keys" }).click();
      await see(page, "This page tries again by itself");
      await check(page, "no-connection", at);
      await context.setOffline(false);
    });
  }
}
