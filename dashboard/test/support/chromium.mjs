import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { chromium } from "playwright-core";

/** The path of Chromium: ORGD_CHROMIUM, or else the program chromium in PATH. */
function findChromium() {
  const candidates = process.env.ORGD_CHROMIUM ? [process.env.ORGD_CHROMIUM] : (process.env.PATH ?? "").split(delimiter).map((dir) => join(dir, "chromium"));
  for (const path of candidates) {
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // not here
    }
  }
  throw new Error("Chromium was not found. Install the package chromium, or set ORGD_CHROMIUM to the path of a Chromium or Chrome.");
}

const executablePath = findChromium();

/** Starts the installed Chromium, which refuses its sandbox to root. */
export const launch = () => chromium.launch({ executablePath, chromiumSandbox: process.getuid() !== 0 });
