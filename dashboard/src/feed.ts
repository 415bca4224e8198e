import type { OrgdEvent } from "@orgd/client";
import { orgd } from "./api";
import type { EventType } from "./events";

export interface Part {
  events: OrgdEvent[]; // newest first
  /** The cursor from which to read further back, if there are older events. */
  older: string | undefined;
}

/** The cursor of the end of the feed. */
export async function endOfFeed(signal: AbortSignal): Promise<string> {
  const { data } = await orgd.GET("/v1/events", { params: { query: { cursor: "now" } }, signal });
  return data.cursor;
}

// With a filter, a call looks at 5,000 events at most.
const maxCalls = 10;

/** Reads at least the wanted number of events before a cursor, unless there are fewer or they are rare. */
export async function readBack(from: string, types: readonly EventType[], wanted: number, signal: AbortSignal, progress: (events: number) => void): Promise<Part> {
  const events: OrgdEvent[] = [];
  let cursor = from;
  for (let calls = 0; calls < maxCalls && events.length < wanted; calls++) {
    const { data } = await orgd.GET("/v1/events", { params: { query: { order: "-position", limit: 100, cursor, ...(types.length && { type: [...types] }) } }, signal });
    events.push(...(data.events as OrgdEvent[]));
    progress(events.length);
    if (!data.hasMore) return { events, older: undefined };
    cursor = data.cursor;
  }
  return { events, older: cursor };
}
