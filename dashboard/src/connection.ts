import { createStore } from "./store";

export type Connection = "connected" | "lost" | "unavailable";

export const connection = createStore<Connection>("connected");

let timer: ReturnType<typeof setTimeout> | undefined;

/** Notes what came of a request: its status, or undefined if there was no response. */
export function noteResponse(status: number | undefined): void {
  if (status === undefined) connection.set("lost");
  else if (status >= 502 && status <= 504) connection.set("unavailable");
  else {
    connection.set("connected");
    clearTimeout(timer);
    timer = undefined;
    return;
  }
  timer ??= setTimeout(probe, 1000, 1000);
}

/** Asks whether the server is back, less and less often. */
async function probe(waited: number): Promise<void> {
  timer = undefined;
  let status: number | undefined;
  try {
    status = (await fetch("/readyz", { cache: "no-store", signal: AbortSignal.timeout(5000) })).status;
  } catch {
    // No connection yet.
  }
  if (status === 200) return noteResponse(status);
  connection.set(status === undefined ? "lost" : "unavailable");
  const next = Math.min(waited * 1.5, 10_000);
  timer = setTimeout(probe, next, next);
}

export function retryNow(): void {
  if (!timer) return;
  clearTimeout(timer);
  void probe(1000);
}
addEventListener("online", retryNow);
