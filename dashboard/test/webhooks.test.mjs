import assert from "node:assert/strict";
import { createServer } from "node:http";
import { call, createOrganization, word } from "./support/api.mjs";
import { gone, heading, scenario, see } from "./support/scenario.mjs";

/** A server that takes webhooks. Its status can be changed. */
async function receiver() {
  const received = [];
  const state = { status: 204 };
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    received.push({ headers: request.headers, body: JSON.parse(body) });
    response.writeHead(state.status).end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/orgd`,
    received,
    state,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

scenario("create and test a webhook", { at: "/webhooks" }, async ({ page }) => {
  const hooks = await receiver();
  try {
    const name = `CRM ${word()}`;
    await page.getByRole("button", { name: "New webhook" }).click();
    await page.getByLabel("URL").fill(hooks.url);
    await page.getByLabel("Description").fill(name);
    await page.getByLabel("Only these types").check();
    const submit = page.getByRole("button", { name: "Create webhook" });
    assert.ok(await submit.isDisabled(), "it needs a type");
    await page.getByLabel(/Organization created/).check();
    await submit.click();
    const secret = await page.locator(".secret code").innerText();
    assert.match(secret, /^whsec_/);
    const guide = "/docs/guides/webhooks#receive";
    const link = page.getByRole("link", { name: "verifies the signature" });
    assert.equal(await link.getAttribute("href"), guide);
    assert.equal(await link.getAttribute("target"), "_blank", "the secret is not shown again");
    await page.getByRole("button", { name: "Copy the secret" }).click();
    await page.getByRole("button", { name: "Done, I have stored it" }).click();
    await heading(page, name).waitFor();
    assert.equal(await page.getByRole("link", { name: "How your server verifies the messages" }).getAttribute("href"), guide);

    const attempts = page.getByRole("table", { name: "Attempts, newest first" });
    await page.getByRole("button", { name: "Send a test" }).click();
    await see(page, "The test arrived");
    await attempts.getByRole("row").filter({ hasText: "Test" }).filter({ hasText: "204" }).waitFor();
    const [test] = hooks.received.filter(({ body }) => body.type === "webhook.test");
    assert.ok(test.headers["webhook-signature"]);

    hooks.state.status = 500;
    await page.getByRole("button", { name: "Send a test" }).click();
    await see(page, "The test failed with status 500");
    await attempts.getByRole("row").filter({ hasText: "500" }).first().waitFor();
    hooks.state.status = 204;

    await page.getByRole("button", { name: "Disable" }).click();
    await see(page, "Somebody disabled it.");
    await page.getByRole("button", { name: "Enable" }).click();
    await gone(page.getByText("Somebody disabled it."));

    // A real event arrives and is listed.
    const org = await createOrganization(`Soylent ${word()}`);
    await attempts.getByRole("row").filter({ hasText: "Organization created" }).first().waitFor();
    assert.ok(hooks.received.some(({ body }) => JSON.stringify(body).includes(org.orgId)));

    const menu = async (item) => {
      await page.getByRole("button", { name: "More actions" }).click();
      await page.getByRole("menuitem", { name: item }).click();
    };
    await menu("Rotate secret");
    await page.getByRole("dialog").getByRole("button", { name: "Rotate" }).click();
    await see(page, "The new secret");
    assert.notEqual(await page.locator(".secret code").innerText(), secret);
    await page.getByRole("button", { name: "Done, I have stored it" }).click();
    await menu("Replay");
    await page.getByRole("dialog").getByRole("button", { name: "Replay" }).click();
    await see(page, "The webhook continues from there.");
    await menu("Delete");
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await page.waitForURL(/\/webhooks$/);
    await see(page, "The webhook was deleted.");
    assert.ok(!(await call("GET", "/v1/webhooks?limit=100")).webhooks.some((hook) => hook.description === name));
  } finally {
    hooks.close();
  }
});

scenario("a webhook with a wrong address", { at: "/webhooks" }, async ({ page }) => {
  await page.getByRole("button", { name: "New webhook" }).click();
  await page.getByLabel("URL").fill("ftp://example.com");
  await page.getByLabel("Description").fill("Wrong");
  await page.getByRole("button", { name: "Create webhook" }).click();
  await page.getByLabel("URL").and(page.locator("[aria-invalid=true]")).waitFor();
});
