import assert from "node:assert/strict";
import { call, createOrganization, send, word } from "./support/api.mjs";
import { gone, heading, scenario, see } from "./support/scenario.mjs";

/** Creates an organization and opens its page. */
async function open(page, name, fields) {
  const org = await createOrganization(name, fields);
  await page.goto(page.url().replace(/\/dashboard.*/, `/dashboard/organizations/${org.orgId}`));
  await heading(page, name).waitFor();
  return org;
}

async function rename(page, name) {
  await page.getByRole("textbox", { name: "Name" }).fill(name);
  await page.keyboard.press("Enter");
}

const read = (org) => call("GET", `/v1/orgs/${org.orgId}`);

scenario("create an organization", {}, async ({ page }) => {
  const name = `Globex ${word()}`;
  const external = `crm/${word()}`;
  await page.getByRole("button", { name: "New organization" }).click();
  const submit = page.getByRole("button", { name: "Create organization" });
  assert.ok(await submit.isDisabled());
  await page.getByRole("textbox", { name: "Name" }).fill(name);
  await page.getByLabel("External id (optional)").fill(external);
  await page.getByRole("button", { name: "Add a pair" }).click();
  await page.getByLabel("Key").fill("plan");
  await page.getByLabel("Value").fill("free");
  await submit.click();
  await heading(page, name).waitFor();
  const id = /org_[0-9a-f]{32}/.exec(page.url())?.[0];
  const org = await read({ orgId: id });
  assert.equal(org.orgName, name);
  assert.equal(org.externalId, external);
  assert.deepEqual(org.metadata, { plan: "free" });

  // The server rejects an external id that is taken, and the form says so at the field.
  await page.getByRole("link", { name: "Organizations" }).first().click();
  await page.getByRole("button", { name: "New organization" }).click();
  await page.getByRole("textbox", { name: "Name" }).fill("Second");
  await page.getByLabel("External id (optional)").fill(external);
  await submit.click();
  await page.getByRole("dialog").getByRole("alert").filter({ hasText: /external/i }).waitFor();
});

// The heading has the focus, also when it is replaced by that of the loaded page.
scenario("open from the list with the keyboard", {}, async ({ page }) => {
  const name = word();
  await createOrganization(`Hooli ${name}`);
  await page.getByRole("searchbox").fill(name);
  await page.getByRole("link", { name: `Hooli ${name}` }).focus();
  await page.keyboard.press("Enter");
  await heading(page, `Hooli ${name}`).waitFor();
  await page.waitForFunction(() => document.activeElement?.tagName === "H1");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("aria-label")), "Edit name");
});

scenario("rename", {}, async ({ page }) => {
  const name = word();
  const org = await open(page, `Initech ${name}`);
  await page.getByRole("button", { name: "Edit name" }).click();
  await rename(page, `Initrode ${name}`);
  await heading(page, `Initrode ${name}`).waitFor();
  assert.equal((await read(org)).orgName, `Initrode ${name}`);

  await page.getByRole("button", { name: "Edit name" }).click();
  await page.getByRole("textbox", { name: "Name" }).fill("Never mind");
  await page.keyboard.press("Escape");
  await heading(page, `Initrode ${name}`).waitFor();
  assert.equal((await read(org)).orgName, `Initrode ${name}`);
});

scenario("conflict: overwrite", {}, async ({ page }) => {
  const name = word();
  const org = await open(page, `Before ${name}`, { metadata: { plan: "free" } });
  await page.getByRole("button", { name: "Edit name" }).click();
  await call("PATCH", `/v1/orgs/${org.orgId}`, { orgName: `Theirs ${name}` });
  await call("PATCH", `/v1/orgs/${org.orgId}/metadata`, { plan: "enterprise" });
  await rename(page, `Mine ${name}`);
  const dialog = page.getByRole("dialog", { name: "Somebody else changed this organization" });
  await dialog.waitFor();
  assert.deepEqual(await dialog.getByRole("row").filter({ hasText: "Name" }).locator("td").allInnerTexts(), [`Before ${name}`, `Theirs ${name}`, `Mine ${name}`]);
  assert.deepEqual(await dialog.getByRole("row").filter({ hasText: "plan" }).locator("td").allInnerTexts(), ["free", "enterprise", "unchanged"]);
  assert.equal((await read(org)).orgName, `Theirs ${name}`, "nothing is overwritten yet");
  await dialog.getByRole("button", { name: "Overwrite with yours" }).click();
  await heading(page, `Mine ${name}`).waitFor();
  const now = await read(org);
  assert.equal(now.orgName, `Mine ${name}`);
  assert.deepEqual(now.metadata, { plan: "enterprise" }, "their other change stays");
});

scenario("conflict: take theirs", {}, async ({ page }) => {
  const name = word();
  const org = await open(page, `Before ${name}`);
  await page.getByRole("button", { name: "Edit name" }).click();
  await call("PATCH", `/v1/orgs/${org.orgId}`, { orgName: `Theirs ${name}` });
  await rename(page, `Mine ${name}`);
  await page.getByRole("button", { name: "Take theirs" }).click();
  await heading(page, `Theirs ${name}`).waitFor();
  assert.equal((await read(org)).orgName, `Theirs ${name}`);
});

scenario("conflict: a change of something else, and one more during the decision", {}, async ({ page }) => {
  const name = word();
  const org = await open(page, `Before ${name}`);
  await page.getByRole("button", { name: "Edit name" }).click();
  await call("PATCH", `/v1/orgs/${org.orgId}/metadata`, { plan: "pro" });
  await rename(page, `Mine ${name}`);
  await see(page, "The other change does not touch what you changed.");
  await call("PATCH", `/v1/orgs/${org.orgId}/metadata`, { seats: "7" });
  await page.getByRole("button", { name: "Keep theirs and save yours" }).click();
  await page.getByRole("dialog").getByRole("row").filter({ hasText: "seats" }).waitFor();
  await page.getByRole("button", { name: "Keep theirs and save yours" }).click();
  await heading(page, `Mine ${name}`).waitFor();
  const now = await read(org);
  assert.equal(now.orgName, `Mine ${name}`);
  assert.deepEqual(now.metadata, { plan: "pro", seats: "7" });
});

scenario("one pair of metadata", {}, async ({ page }) => {
  const org = await open(page, `Umbrella ${word()}`, { metadata: { plan: "pro" } });
  await page.getByRole("button", { name: "Add a pair" }).click();
  await page.getByRole("textbox", { name: "Key" }).fill("plan");
  await see(page, "There is a pair with this key.");
  await page.getByRole("textbox", { name: "Key" }).fill("seats");
  await page.getByRole("textbox", { name: "Value", exact: true }).fill("12");
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await page.getByRole("button", { name: "Edit value of seats" }).click();
  assert.deepEqual((await read(org)).metadata, { plan: "pro", seats: "12" });

  await page.getByRole("textbox", { name: "Value of seats" }).fill("13");
  await page.keyboard.press("Enter");
  await page.getByText("13", { exact: true }).waitFor();
  assert.deepEqual((await read(org)).metadata, { plan: "pro", seats: "13" });

  await page.getByRole("button", { name: "Remove seats" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await gone(page.getByRole("button", { name: "Remove seats" }));
  assert.deepEqual((await read(org)).metadata, { plan: "pro" });
});

scenario("members and their roles", {}, async ({ page }) => {
  const org = await open(page, `Hooli ${word()}`);
  await page.getByRole("link", { name: "Members (0)" }).click();
  await page.getByRole("button", { name: "Add a member" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("User id").fill("auth0|gavin");
  await dialog.getByLabel("Roles (optional)").fill("owner, admin");
  await dialog.getByRole("button", { name: "Add member" }).click();
  await page.getByRole("link", { name: "Members (1)" }).waitFor();
  const users = async () => (await call("GET", `/v1/orgs/${org.orgId}/users`)).users.map((u) => [u.userId, u.roles]);
  assert.deepEqual(await users(), [["auth0|gavin", ["admin", "owner"]]]);

  await page.getByRole("button", { name: "Actions for auth0|gavin" }).click();
  await page.getByRole("menuitem", { name: "Change roles" }).click();
  await dialog.getByRole("textbox", { name: "Roles" }).fill("viewer");
  await dialog.getByRole("button", { name: "Save roles" }).click();
  await page.getByRole("table").getByText("viewer", { exact: true }).waitFor();
  assert.deepEqual(await users(), [["auth0|gavin", ["viewer"]]]);

  // Find by id and by role.
  await call("PATCH", `/v1/orgs/${org.orgId}/users`, { add: [{ userId: "auth0|richard", roles: ["owner"] }] });
  await page.getByRole("textbox", { name: "Role" }).fill("owner");
  await page.getByRole("button", { name: "Find" }).click();
  await page.getByRole("rowheader", { name: /auth0\|richard/ }).waitFor();
  await gone(page.getByRole("rowheader", { name: /auth0\|gavin/ }));
  await page.getByRole("textbox", { name: "Role" }).fill("");
  await page.getByRole("searchbox", { name: "User id" }).fill("auth0|nobody");
  await page.getByRole("button", { name: "Find" }).click();
  await see(page, "No member matches");
  await page.getByRole("button", { name: "Show all members" }).click();

  await page.getByRole("button", { name: "Actions for auth0|gavin" }).click();
  await page.getByRole("menuitem", { name: "Remove" }).click();
  await dialog.getByRole("button", { name: "Remove" }).click();
  await gone(page.getByRole("rowheader", { name: /auth0\|gavin/ }));
  assert.deepEqual(await users(), [["auth0|richard", ["owner"]]]);
});

scenario("deactivate, reactivate, and delete with the typed name", {}, async ({ page }) => {
  const name = `Vandelay ${word()}`;
  const org = await open(page, name);
  const toggle = async (action) => {
    await page.getByRole("button", { name: action, exact: true }).click();
    if (action === "Deactivate") await page.getByRole("dialog").getByRole("button", { name: action }).click();
  };
  assert.equal(await page.getByRole("button", { name: "Delete" }).count(), 0, "an active organization cannot be deleted");
  await toggle("Deactivate");
  await toggle("Reactivate");
  await page.getByRole("button", { name: "Deactivate" }).waitFor();
  assert.ok((await read(org)).isActive);
  await toggle("Deactivate");
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  const confirm = page.getByRole("button", { name: "Delete for good" });
  assert.ok(await confirm.isDisabled());
  await page.getByLabel("Name of the organization").fill(name.slice(0, -1));
  assert.ok(await confirm.isDisabled());
  await page.keyboard.press("Enter");
  await page.getByLabel("Name of the organization").fill(name);
  await confirm.click();
  await page.waitForURL(/\/organizations$/);
  await see(page, "The organization was deleted.");
  assert.equal((await send("GET", `/v1/orgs/${org.orgId}`)).status, 404);

  await page.goBack();
  await heading(page, "Organization not found").waitFor();
});

scenario("history", {}, async ({ page, key }) => {
  const name = word();
  const org = await createOrganization(`Wayne ${name}`, { metadata: { plan: "free" } });
  await call("PATCH", `/v1/orgs/${org.orgId}`, { orgName: `Wayne Enterprises ${name}` }, key.key);
  await call("PATCH", `/v1/orgs/${org.orgId}/metadata`, { plan: "pro" }, key.key);
  await call("PATCH", `/v1/orgs/${org.orgId}/users`, { add: [{ userId: "auth0|bruce" }] }, key.key);
  await page.goto(page.url().replace(/\/dashboard.*/, `/dashboard/organizations/${org.orgId}/history`));
  const list = page.getByRole("list", { name: "History" });
  await list.waitFor();
  const events = list.locator(":scope > li");
  assert.deepEqual(await events.locator("strong").allInnerTexts(), ["Member added", "Organization changed", "Organization changed", "Organization created"]);
  const renamed = events.nth(2);
  assert.equal(await renamed.locator("del bdi").innerText(), `Wayne ${name}`);
  assert.equal(await renamed.locator("ins bdi").innerText(), `Wayne Enterprises ${name}`);
  await renamed.getByText(key.description).waitFor(); // who changed it
  assert.equal(await events.nth(1).locator("del bdi").innerText(), "free");

  // A change that is made on the page is in it at once.
  await page.getByRole("button", { name: "Deactivate" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Deactivate" }).click();
  await list.getByText("Organization deactivated").waitFor();
});
