// Measures what a user of the dashboard waits for, in Chromium on this machine: run it with
// make browser-speed ORGS=1000000, on a quiet machine.
import { createKey, base, call } from "./support/api.mjs";
import { launch } from "./support/chromium.mjs";

const opens = 20;
const searches = 100;
const keystroke = 90; // milliseconds between two

const percentile = (values, share) => values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1];
const row = (what, values) => console.log(`| ${what} | ${Math.round(percentile(values, 0.5))} ms | ${Math.round(percentile(values, 0.95))} ms | ${Math.round(Math.max(...values))} ms |`);

const key = await createKey();
const browser = await launch();
const openWindow = async (isSignedIn) => {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  if (isSignedIn) await context.addInitScript((session) => sessionStorage.setItem("orgd.session", session), JSON.stringify({ key: key.key, scopes: key.scopes }));
  return context;
};
const paint = (page) => page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime).then((handle) => handle.jsonValue());
// The time of the first frame that shows rows of the table.
const rows = (page) =>
  page.evaluate(
    () =>
      new Promise((resolve) => {
        const look = () => (document.querySelector("table[aria-busy=false] a") ? requestAnimationFrame(() => resolve(performance.now())) : requestAnimationFrame(look));
        look();
      }),
  );

async function measureOpens() {
  const times = { signIn: [], cold: [], coldRows: [], warm: [], warmRows: [] };
  let bytes = 0;
  for (let i = 0; i < opens; i++) {
    const visitor = await openWindow(false);
    const form = await visitor.newPage();
    await form.goto(`${base}/dashboard`);
    times.signIn.push(await paint(form));
    await visitor.close();

    const context = await openWindow(true);
    for (const cache of ["cold", "warm"]) {
      const page = await context.newPage();
      await page.goto(`${base}/dashboard/organizations`, { waitUntil: "commit" });
      times[`${cache}Rows`].push(await rows(page));
      times[cache].push(await paint(page));
      if (cache === "cold")
        bytes = await page.evaluate(() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")].filter((e) => !e.name.includes("/v1/")).reduce((sum, e) => sum + e.transferSize, 0));
      await page.close();
    }
    await context.close();
  }
  console.log(`The page, its script and its style sheet: ${bytes} bytes over the wire.\n`);
  console.log("| | p50 | p95 | max |\n| --- | --- | --- | --- |");
  row("first paint of the sign-in form, nothing cached", times.signIn);
  row("first paint of the list, nothing cached", times.cold);
  row("its first rows", times.coldRows);
  row("first paint of the list, with the script in the cache", times.warm);
  row("its first rows", times.warmRows);
}

/** Words that begin names of organizations of all ages, and some that no name has. */
async function chooseWords() {
  const newest = (await call("GET", "/v1/orgs?limit=1")).organizations[0];
  const oldest = (await call("GET", "/v1/orgs?limit=1&order=createdAt")).organizations[0];
  const [from, to] = [Date.parse(oldest.createdAt), Date.parse(newest.createdAt)];
  const words = [];
  while (words.length < searches) {
    if (words.length % 10 === 9) {
      words.push(`zq${words.length}`);
      continue;
    }
    const until = new Date(from + Math.random() * (to - from)).toISOString();
    const [org] = (await call("GET", `/v1/orgs?limit=1&createdTo=${until}`)).organizations;
    const word = org && /^[A-Za-z]{3,}/.exec(org.orgName)?.[0].toLowerCase();
    if (word) words.push(word.slice(0, 3 + (words.length % 4)));
  }
  return words;
}

async function measureSearches() {
  const context = await openWindow(true);
  const page = await context.newPage();
  await page.goto(`${base}/dashboard/organizations`);
  await rows(page);
  const field = page.getByRole("searchbox");
  await field.evaluate((input) => input.addEventListener("keydown", () => (window.typed = performance.now()), { capture: true }));
  const times = [];
  for (const word of await chooseWords()) {
    await field.click();
    await field.pressSequentially(word, { delay: keystroke });
    // The first frame with the result of the whole word: its response has arrived, and the
    // table or the message that nothing matches is shown.
    const shown = await page.evaluate(
      (word) =>
        new Promise((resolve) => {
          const has = () =>
            performance.getEntriesByType("resource").some((e) => e.name.includes(`orgName=${word}&`) && e.name.includes("limit=25")) &&
            (document.querySelector("table[aria-busy=false]") || document.body.innerText.includes("No organization matches"));
          const look = () => (has() ? requestAnimationFrame(() => resolve(performance.now() - window.typed)) : requestAnimationFrame(look));
          look();
        }),
      word,
    );
    times.push(shown);
    await field.fill("");
    await page.waitForTimeout(300); // the list of all organizations must not share the cores with the next search
    await page.evaluate(() => performance.clearResourceTimings());
  }
  await context.close();
  row(`search in ${process.env.ORGS || "?"} organizations, from the last key to the first results`, times);
}

await measureOpens();
await measureSearches();
await browser.close();
