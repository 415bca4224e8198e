import { orgd } from "./api";
import { asFailure } from "./errors";
import { count } from "./format";
import { createStore } from "./store";
import { toast, toastError } from "./toast";
import type { queryOf } from "./orgfilters";

/** How many organizations the running export has read, or undefined. */
export const exported = createStore<number | undefined>(undefined);
let running: AbortController | undefined;

export const stopExport = (): void => running?.abort();

/** Saves the organizations that the filters choose, one JSON object on each line. */
export async function exportOrganizations(query: ReturnType<typeof queryOf>, order: "createdAt" | "-createdAt" | "orgName" | "-orgName"): Promise<void> {
  if (running) return;
  const abort = (running = new AbortController());
  exported.set(0);
  try {
    const { data } = await orgd.GET("/v1/orgs", { params: { query: { ...query, order } }, headers: { Accept: "application/x-ndjson" }, parseAs: "stream", signal: abort.signal });
    const { blob, last } = await collect(data);
    save(blob, `organizations-${new Date().toISOString().slice(0, 10)}.ndjson`);
    if (last.complete) toast(`${count(last.count)} organizations were exported.`);
    else toastError(`The export is incomplete: it stopped after ${count(last.count)} organizations. The last line of the file says so. Export again for all of them.`);
  } catch (error) {
    if (!abort.signal.aborted) toastError("The export failed.", asFailure(error));
  } finally {
    running = undefined;
    exported.set(undefined);
  }
}

interface LastLine {
  complete: boolean;
  count: number;
}

/** Reads the response. Parts become blobs, which the browser may keep on disk. */
async function collect(body: ReadableStream<Uint8Array>): Promise<{ blob: Blob; last: LastLine }> {
  const blobs: Blob[] = [];
  let parts: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  let lines = 0;
  let tail = new Uint8Array();
  const reader = body.getReader();
  for (;;) {
    let chunk: ReadableStreamReadResult<Uint8Array>;
    try {
      chunk = await reader.read();
    } catch (error) {
      if (running?.signal.aborted) throw error;
      break; // the connection was lost: there is no last line
    }
    if (chunk.done) break;
    const bytes = chunk.value as Uint8Array<ArrayBuffer>;
    parts.push(bytes);
    size += bytes.length;
    for (const byte of bytes) if (byte === 10) lines++;
    tail = bytes.length >= 300 ? bytes.slice(-300) : new Uint8Array([...tail, ...bytes]).slice(-300);
    exported.set(lines);
    if (size > 4 << 20) {
      blobs.push(new Blob(parts));
      [parts, size] = [[], 0];
    }
  }
  return { blob: new Blob([...blobs, ...parts], { type: "application/x-ndjson" }), last: lastLine(tail) ?? { complete: false, count: lines } };
}

function lastLine(tail: Uint8Array): LastLine | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(tail).trimEnd().split("\n").at(-1) ?? "");
    if (typeof value === "object" && value !== null && "complete" in value) return value as LastLine;
  } catch {
    // The line is cut, or it is an organization.
  }
  return undefined;
}

function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
