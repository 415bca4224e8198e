// Runs each test in its own browser context, with the checks that apply to every test.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { base, createKey } from "./api.mjs";
import { launch } from "./chromium.mjs";

export const screenshots = fileURLToPath(new URL("../screenshots/", import.meta.url));
mkdirSync(screenshots, { recursive: true });

let browser;
after(() => browser?.close());

// The browser logs each response with such a status: to a wrong key, for an object that
// does not exist, and to a change that conflicts or that breaks a rule.
const usual = /^Failed to load resource: the server responded with a status of 4(01|04|09|12|22)/;

/**
 * Defines a test. Its body gets a page, its context and a new API key. Options:
 * - scopes: those of the key; all scopes by default
 * - at: where the page begins, below /dashboard
 * - signsIn: false leaves the page at the sign-in form
 * - expects: a pattern of further console messages that the test causes
 * - window: options of the browser context, such as viewport and colorScheme
 */
export function scenario(name, options, body) {
  test(name, { timeout: 240_000 }, async () => {
    const { scopes, at = "", signsIn = true, expects, window = {} } = options;
    const key = await createKey(scopes);
    browser ??= await launch();
    const context = await browser.newContext({
      viewport: { width: 1280, height: 800 },
      locale: "en-GB",
      timezoneId: "UTC",
      reducedMotion: "reduce",
      permissions: ["clipboard-read", "clipboard-write"],
      ...window,
    });
    try {
      const page = await context.newPage();
      page.setDefaultTimeout(20_000);
      const problems = [];
      page.on("console", (message) => {
        const text = message.text();
        if (["error", "warning"].includes(message.type()) && !usual.test(text) && !expects?.test(text)) problems.push(`${message.type()} in the console: ${text}`);
      });
      page.on("pageerror", (error) => problems.push(`uncaught ${error.stack}`));
      page.on("dialog", (dialog) => {
        problems.push(`dialog: ${dialog.message()}`);
        void dialog.dismiss();
      });
      page.on("request", (request) => {
        if (request.url().includes(key.key)) problems.push(`the key is in the address ${request.url()}`);
        if (!request.url().startsWith(base)) problems.push(`request to another server: ${request.url()}`);
      });
      try {
        await page.goto(`${base}/dashboard${at}`);
        if (signsIn) await signIn(page, key.key);
        await body({ page, context, key, problems });
        assert.deepEqual(problems, []);
        assert.deepEqual(await context.cookies(), []);
      } catch (error) {
        await page.screenshot({ path: join(screenshots, `failed-${name.replace(/\W+/g, "-")}.png`) }).catch(() => {});
        if (problems.length) error.message += `\nBefore that: ${problems.join("\n")}`;
        throw error;
      }
    } finally {
      await context.close();
    }
  });
}

/** Enters the key and waits for the page behind the sign-in. */
export async function signIn(page, key) {
  await page.getByLabel("API key").fill(key);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
}

export const see = (page, text) => page.getByText(text).first().waitFor();
export const gone = (locator) => locator.waitFor({ state: "hidden" });
export const heading = (page, name) => page.getByRole("heading", { level: 1, name, exact: true });

/** Waits until the rows of a table have these texts in their first column. */
export async function lists(page, table, expected) {
  const read = ([label, wanted]) => {
    const element = document.querySelector(`table[aria-label="${label}"][aria-busy=false]`);
    const texts = [...(element?.querySelectorAll("[role=rowheader]") ?? [])].map((cell) => cell.innerText);
    return wanted === undefined ? texts : element !== null && JSON.stringify(texts) === JSON.stringify(wanted);
  };
  await page.waitForFunction(read, [table, expected]).catch(async (error) => {
    assert.deepEqual(await page.evaluate(read, [table]), expected, table);
    throw error;
  });
}

/** Waits until nothing is loading or moving. */
export async function settled(page) {
  await page.waitForFunction(() => !document.querySelector(".skeleton, table[aria-busy=true]"));
  await page.evaluate(() => Promise.allSettled(document.getAnimations().filter((a) => a.effect?.getComputedTiming().iterations !== Infinity).map((a) => a.finished)));
}

/** Fails if the page is wider than the window, or a part of it scrolls by a few pixels. */
export async function fits(page, what) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(over <= 0, `${what} is ${over} px wider than the window`);
  // A few pixels more than the frame has are a mistake, and show a scroll bar.
  const scrolling = await page.evaluate(() => {
    const isScrolling = (e) => /auto|scroll/.test(getComputedStyle(e).overflowY) && e.scrollHeight > e.clientHeight && e.scrollHeight <= e.clientHeight + 4;
    return [...document.querySelectorAll("body *")].filter(isScrolling).map((e) => e.className);
  });
  assert.deepEqual(scrolling, [], `${what}: elements that scroll by a few pixels`);
}
