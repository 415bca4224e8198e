// Builds the dashboard: one script and one style sheet, in the directory that is given.
import { build } from "esbuild";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const outdir = process.argv[2];
if (!outdir) {
  console.error("usage: node build.mjs DIRECTORY");
  process.exit(2);
}

// The script contains these packages, so it has their license, which is the same.
const licenses = ["preact", "openapi-fetch"].map((name) => readFileSync(here(`node_modules/${name}/LICENSE`), "utf8").trim());
const permission = licenses[0].slice(licenses[0].indexOf("Permission is hereby"));
if (!licenses.every((text) => text.endsWith(permission))) throw new Error("the licenses differ");
const copyrights = licenses.map((text) => text.split("\n").find((line) => line.startsWith("Copyright")));
const banner = { js: `/* Preact and openapi-fetch:\n\n${copyrights.join("\n")}\n\n${permission} */` };

await build({
  entryPoints: { dashboard: here("src/main.tsx") },
  banner,
  outdir,
  bundle: true,
  minify: true,
  format: "iife",
  target: ["chrome117", "firefox124", "safari17.4"],
  legalComments: "none",
  jsx: "automatic",
  jsxImportSource: "preact",
  // The dashboard uses the sources of the client, and both use the same openapi-fetch.
  alias: { "@orgd/client": here("../clients/typescript/src/index.ts"), "openapi-fetch": here("node_modules/openapi-fetch") },
});

await build({
  entryPoints: { dashboard: here("src/dashboard.css") },
  outdir,
  minify: true,
  target: ["chrome123", "firefox124", "safari17.5"], // the first versions with light-dark()
});
