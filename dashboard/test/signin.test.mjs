import assert from "node:assert/strict";
import { createKey, createOrganization, revokeKey, word } from "./support/api.mjs";
import { gone, heading, scenario, see, signIn } from "./support/scenario.mjs";

scenario("sign in and out", { signsIn: false }, async ({ page, context, key }) => {
  await signIn(page, key.key);
  await heading(page, "Organizations").waitFor();
  assert.ok(await page.evaluate((secret) => JSON.stringify(sessionStorage).includes(secret), key.key), "the key is in the session storage");
  assert.ok(!(await page.evaluate((secret) => JSON.stringify(localStorage).includes(secret), key.key)), "the key is not in the local storage");

  await page.reload();
  await heading(page, "Organizations").waitFor();

  const other = await context.newPage();
  await other.goto(page.url());
  await heading(other, "Sign in").waitFor(); // another tab has no session
  await other.close();

  await page.getByRole("button", { name: "Sign out" }).click();
  await heading(page, "Sign in").waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
});

scenario("wrong key", { signsIn: false }, async ({ page, key }) => {
  const submit = page.getByRole("button", { name: "Sign in" });
  await submit.click();
  await see(page, "Enter an API key.");
  for (const wrong of ["orgd_wrong", "ключ", key.key.slice(0, -1)]) {
    await page.getByLabel("API key").fill(wrong);
    await submit.click();
    await page.getByLabel("API key").and(page.locator("[aria-invalid=true]")).waitFor();
    await see(page, "This key does not work");
  }
  await signIn(page, ` ${key.key} `); // blanks around a pasted key do not matter
});

scenario("key revoked while signed in", {}, async ({ page, key }) => {
  const name = `Larkspur ${word()}`;
  const org = await createOrganization(name);
  await page.goto(page.url().replace(/\/dashboard.*/, `/dashboard/organizations/${org.orgId}`));
  await heading(page, name).waitFor();
  await revokeKey(key);
  await page.getByRole("link", { name: "History" }).click();
  await see(page, "This key no longer works");
  assert.ok(!(await page.content()).includes(name), "nothing of the session is left");

  const next = await createKey();
  await signIn(page, next.key);
  await heading(page, name).waitFor();
  assert.ok(page.url().endsWith(`/organizations/${org.orgId}/history`));
  await page.getByText("Organization created").waitFor();
});

scenario("page that the key may not open", { scopes: ["orgs:read"], at: "/keys" }, async ({ page }) => {
  await heading(page, "Not available").waitFor();
  await page.getByRole("link", { name: "Go to the start" }).click();
  await heading(page, "Organizations").waitFor();
  await gone(page.getByRole("link", { name: "API keys" }));
});

scenario("key with no page but its usage", { scopes: ["act-as-user"] }, async ({ page }) => {
  await heading(page, "Usage").waitFor();
  assert.deepEqual(await page.getByRole("navigation", { name: "Main" }).getByRole("link").allInnerTexts(), ["Usage"]);
});
