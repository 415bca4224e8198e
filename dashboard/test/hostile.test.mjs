// Text that others chose is only ever shown as text, and never breaks a page.
import assert from "node:assert/strict";
import { join } from "node:path";
import { base, call, createKey, createOrganization, word } from "./support/api.mjs";
import { fits, heading, scenario, screenshots, settled } from "./support/scenario.mjs";

const names = {
  element: (w) => `<img src=x onerror=alert(1)> ${w}`,
  script: (w) => `<script>alert(1)</script><b id=${w}>bold</b>`,
  attribute: (w) => `"><svg onload=alert(1)> ' onmouseover='alert(1) ${w}`,
  template: (w) => `{{constructor.constructor('alert(1)')()}} \${alert(1)} ${w}`,
  entity: (w) => `&lt;b&gt; &amp; &#x1F600; ${w}`,
  bidi: (w) => `${w} \u202egnp.exe\u202c \u2066isolate`,
  "long word": (w) => w + "W".repeat(255 - w.length),
  emoji: (w) => `👨‍👩‍👧‍👦 🏳️‍🌈 Z̸̢̛a̶l̷g̵o̶ ${w}`,
  "right to left": (w) => `شركة النور (${w}) 1 < 2`,
};
const long = "y".repeat(400);

/** Fails if the page has markup that came from a text. */
async function hasNoMarkup(page, what) {
  const found = await page.evaluate(() => [...document.querySelectorAll("main img, main script, main b, main iframe, main [onerror], main [onload], main [onmouseover]")].map((e) => e.outerHTML));
  assert.deepEqual(found, [], what);
  assert.doesNotMatch(await page.title(), /[\u202a-\u202e\u2066-\u2069]/, `the title of ${what}`);
}

for (const [kind, make] of Object.entries(names)) {
  scenario(`hostile names: ${kind}`, { window: { viewport: { width: 360, height: 760 } } }, async ({ page }) => {
    const w = word();
    const text = make(w);
    const org = await createOrganization(text, { externalId: `${w}-${text}`.slice(0, 255), metadata: { [`<b>${kind}</b>`.slice(0, 100)]: text, [`<i>${w}`]: long } });
    await call("PATCH", `/v1/orgs/${org.orgId}`, { orgName: `Before ${w}` });
    await call("PATCH", `/v1/orgs/${org.orgId}`, { orgName: text });
    await call("PATCH", `/v1/orgs/${org.orgId}/users`, { add: [{ userId: text, roles: [w] }] });
    const key = await createKey(["orgs:read", "events:read"], text);
    const hook = await call("POST", "/v1/webhooks", { url: `http://127.0.0.1:9/${w}?${long}`, description: text });

    const visit = async (path, ready) => {
      await page.goto(`${base}/dashboard${path}`);
      await ready();
      await settled(page);
      await hasNoMarkup(page, path);
      await fits(page, path);
    };
    const shown = await call("GET", `/v1/orgs/${org.orgId}`).then((o) => o.orgName);
    const exact = (role) => async () => {
      const found = page.getByRole(role).filter({ hasText: w }).first();
      await found.waitFor();
      assert.equal((await found.locator("bdi").first().textContent()), shown);
    };
    await visit(`/organizations?metadata.${encodeURIComponent(`<i>${w}`)}=${long}`, exact("rowheader"));
    await page.screenshot({ path: join(screenshots, `hostile-${kind.replaceAll(" ", "-")}-list.png`) });
    await visit(`/organizations/${org.orgId}`, () => heading(page, shown.replace(/[\u202a-\u202e\u2066-\u2069]/g, "")).or(page.locator("h1").filter({ hasText: w })).first().waitFor());
    assert.ok((await page.locator("h1").textContent()).includes(shown));
    await page.screenshot({ path: join(screenshots, `hostile-${kind.replaceAll(" ", "-")}.png`), fullPage: true });
    await page.getByRole("button", { name: "Edit name" }).click();
    assert.equal(await page.getByRole("textbox", { name: "Name" }).inputValue(), shown);
    await fits(page, "the form to rename");
    await visit(`/organizations/${org.orgId}/members`, exact("rowheader"));
    await visit(`/organizations/${org.orgId}/history`, () => page.getByRole("list", { name: "History" }).waitFor());
    await visit(`/keys/${key.apiKeyId}`, () => page.locator("h1").filter({ hasText: w }).waitFor());
    await visit("/keys", () => page.getByRole("rowheader").filter({ hasText: w }).waitFor());
    await page.getByRole("row").filter({ hasText: w }).getByRole("button", { name: /^Actions for/ }).click();
    await page.getByRole("menuitem", { name: "Revoke…" }).click();
    await page.getByRole("dialog").getByText(w).first().waitFor();
    await fits(page, "the dialog to revoke");
    await visit(`/webhooks/${hook.webhookId}`, () => page.locator("h1").filter({ hasText: w }).waitFor());
    await visit("/webhooks", () => page.getByRole("rowheader").filter({ hasText: w }).waitFor());
    await visit("/activity", () => page.getByRole("list", { name: "Changes, newest first" }).getByText(w).first().waitFor());
  });
}

// The other tests rely on it that violations are in the console.
scenario("the policy stops what a hostile text would need", { expects: /Content Security Policy|Trusted/ }, async ({ page, problems }) => {
  const messages = [];
  page.on("console", (message) => messages.push(message.text()));
  const violated = await page.evaluate(
    () =>
      new Promise((resolve) => {
        const found = new Set();
        addEventListener("securitypolicyviolation", (event) => {
          found.add(event.effectiveDirective);
          if (found.size === 2) resolve([...found].sort());
        });
        const image = new Image();
        for (const attempt of [() => image.setAttribute("onerror", "window.broken = true"), () => document.body.insertAdjacentHTML("beforeend", "<b>bold</b>")]) {
          try {
            attempt();
            window.broken = true;
          } catch {
            // as it should be
          }
        }
        image.src = "https://example.com/x.png";
      }),
  );
  assert.deepEqual(violated, ["img-src", "require-trusted-types-for"]);
  assert.equal(await page.evaluate(() => window.broken), undefined);
  assert.ok(messages.some((text) => /Content Security Policy/.test(text)), messages.join("\n"));
  assert.deepEqual(problems.splice(0).filter((problem) => !problem.includes("https://example.com/x.png")), []);
});
