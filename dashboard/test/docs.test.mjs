// The API reference, which is not part of the dashboard.
import assert from "node:assert/strict";
import { base } from "./support/api.mjs";
import { heading, scenario, see } from "./support/scenario.mjs";

scenario("from the start page to a call of the API reference", { signsIn: false }, async ({ page, key }) => {
  await page.goto(base);
  await page.getByRole("link", { name: "API reference" }).first().click();
  await heading(page, "API reference").waitFor();
  await page.getByRole("button", { name: "Authorize" }).first().click();
  const dialog = page.locator(".dialog-ux");
  await dialog.getByRole("textbox").fill(key.key);
  await dialog.getByRole("button", { name: "Apply credentials" }).click();
  await dialog.getByRole("button", { name: "Close" }).click();

  // A call works without a change of the form: optional parameters are empty.
  await page.getByText("List organizations", { exact: true }).click();
  await page.getByRole("button", { name: "Try it out" }).click();
  const given = await page.locator(".parameters [data-param-name]").evaluateAll((rows) => rows.map((row) => [row.dataset.paramName, row.querySelector("input, select, textarea")?.value]).filter(([, value]) => value));
  assert.deepEqual(Object.fromEntries(given), { limit: "20", order: "-createdAt", total: "false", metadata: "{}" });
  await see(page, "Example: auth0|0197f3a16b1e7c528d0e5a4b");
  await page.getByRole("button", { name: "Execute" }).click();
  await page.locator(".live-responses-table").getByText(/"organizations": \[/).first().waitFor();
});
