import assert from "node:assert/strict";
import { call, createOrganization, word } from "./support/api.mjs";
import { gone, heading, scenario, see } from "./support/scenario.mjs";

// The server that all tests share stays. Only the page is cut off from it.

scenario("server gone and back", { expects: /net::ERR_INTERNET_DISCONNECTED/ }, async ({ page, context, key }) => {
  await page.getByRole("table").getByRole("link").first().waitFor();
  await context.setOffline(true);
  await page.getByRole("link", { name: "API keys" }).click();
  await see(page, "No connection to the server.");
  await see(page, "This page tries again by itself");
  await context.setOffline(false);
  await page.getByRole("table", { name: "API keys" }).getByRole("link", { name: key.description, exact: true }).waitFor();
  await gone(page.getByText("No connection to the server."));
  await gone(page.getByText("This page tries again by itself"));
});

scenario("a change while the server is gone", { expects: /net::ERR_INTERNET_DISCONNECTED/ }, async ({ page, context }) => {
  const name = word();
  const org = await createOrganization(`Oscorp ${name}`);
  await page.goto(page.url().replace(/\/dashboard.*/, `/dashboard/organizations/${org.orgId}`));
  await page.getByRole("button", { name: "Edit name" }).click();
  await page.getByRole("textbox", { name: "Name" }).fill(`Oscorp Industries ${name}`);
  await context.setOffline(true);
  await page.keyboard.press("Enter");
  await see(page, "The server did not respond.");
  assert.equal(await page.getByRole("textbox", { name: "Name" }).inputValue(), `Oscorp Industries ${name}`, "what was typed stays");
  await context.setOffline(false);
  await gone(page.getByText("No connection to the server."));
  await page.getByRole("button", { name: "Save" }).click();
  await heading(page, `Oscorp Industries ${name}`).waitFor();
  assert.equal((await call("GET", `/v1/orgs/${org.orgId}`)).orgName, `Oscorp Industries ${name}`);
});

scenario("server that cannot handle requests", { expects: /status of 503/ }, async ({ page, key }) => {
  await page.getByRole("table").getByRole("link").first().waitFor();
  const refuse = (route) => route.fulfill({ status: 503, contentType: "application/problem+json", body: JSON.stringify({ type: "about:blank", title: "Unavailable", status: 503, code: "unavailable", detail: "The server is stopping." }) });
  const calls = (url) => url.pathname.startsWith("/v1/") || url.pathname === "/readyz";
  await page.route(calls, refuse);
  await page.getByRole("link", { name: "API keys" }).click();
  await see(page, "The server cannot handle requests at the moment.");
  await page.unroute(calls, refuse);
  await page.getByRole("button", { name: "Try now" }).click();
  await page.getByRole("table", { name: "API keys" }).getByRole("link", { name: key.description, exact: true }).waitFor();
  await gone(page.getByText("The server cannot handle requests at the moment."));
});
