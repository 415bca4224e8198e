import { CursorExpiredError, type OrgdEvent } from "@orgd/client";
import { orgd } from "./api";
import type { EventType } from "./events";
import { whenSessionEnds } from "./session";

// The feed is read forward only. To show its end first, this looks for places near the
// end: a call with a filter that matches nothing passes many events at once.
const rareType: EventType[] = ["account.created"];

/** Cursors of places in the feed, oldest first. Undefined is its beginning. */
let places: (string | undefined)[] = [undefined];
whenSessionEnds(() => (places = [undefined]));

export interface Part {
  events: OrgdEvent[]; // oldest first
  /** The index of the place where the part begins. 0 is the beginning of the feed. */
  begin: number;
  /** The place where the part ends. */
  cursor: string | undefined;
}

const minimum = 300;

/** Reads the newest events: everything after one of the last places. */
export async function readNewest(types: readonly EventType[], signal: AbortSignal, progress: (events: number) => void): Promise<Part> {
  try {
    await findPlaces(signal);
  } catch (error) {
    // The oldest events were deleted since.
    if (!(error instanceof CursorExpiredError)) throw error;
    places = [undefined];
    await findPlaces(signal);
  }
  let begin = places.length - 1;
  let part = await read(begin, undefined, types, signal, progress);
  while (begin > 0 && part.events.length < minimum && places.length - begin < 4) {
    begin--;
    const older = await readOlder(begin + 1, types, signal, progress);
    part = { ...part, begin, events: [...older.events, ...part.events] };
  }
  return part;
}

async function findPlaces(signal: AbortSignal): Promise<void> {
  for (;;) {
    const cursor = places.at(-1);
    const { data } = await orgd.GET("/v1/events", { params: { query: { type: rareType, limit: 100, ...(cursor && { cursor }) } }, signal });
    if (!data.hasMore) return;
    places.push(data.cursor);
  }
}

/** Reads the events of the part before a place. */
export async function readOlder(before: number, types: readonly EventType[], signal: AbortSignal, progress: (events: number) => void): Promise<Part> {
  const cursor = places[before];
  // The position of the first event that belongs to the next part.
  const { data } = await orgd.GET("/v1/events", { params: { query: { limit: 1, ...(cursor && { cursor }) } }, signal });
  return read(before - 1, data.events[0]?.position, types, signal, progress);
}

async function read(begin: number, end: number | undefined, types: readonly EventType[], signal: AbortSignal, progress: (events: number) => void): Promise<Part> {
  const events: OrgdEvent[] = [];
  let cursor = places[begin];
  for (;;) {
    const { data } = await orgd.GET("/v1/events", { params: { query: { limit: 100, ...(types.length && { type: [...types] }), ...(cursor && { cursor }) } }, signal });
    cursor = data.cursor;
    const inside = data.events.filter((e) => end === undefined || (e.position ?? 0) < end) as OrgdEvent[];
    events.push(...inside);
    progress(events.length);
    if (!data.hasMore || inside.length < data.events.length || (end !== undefined && (events.at(-1)?.position ?? 0) >= end - 1)) break;
    if (end !== undefined && !data.events.length) break; // nothing matches in what one call looks at, which is a part
  }
  return { events, begin, cursor };
}
