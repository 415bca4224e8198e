import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const source = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Fails if axe-core finds a violation in the page. */
export async function accessible(page, what) {
  // The policy of the page forbids to add a script. The debugger may run one.
  const debug = await page.context().newCDPSession(page);
  try {
    const run = async (expression) => {
      const { result, exceptionDetails } = await debug.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
      if (exceptionDetails) throw new Error(`axe-core: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
      return result.value;
    };
    await run(`${source}; undefined`);
    const { passes, violations } = JSON.parse(
      await run(`axe.run(document).then(({ passes, violations }) => JSON.stringify({
        passes: passes.length,
        violations: violations.map((v) => ({ rule: v.id, help: v.help, nodes: v.nodes.map((n) => n.html.slice(0, 300) + " " + n.failureSummary) })),
      }))`),
    );
    assert.ok(passes > 10, `axe-core checked only ${passes} rules of ${what}`);
    assert.deepEqual(violations, [], what);
  } finally {
    await debug.detach();
  }
}
