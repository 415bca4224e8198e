import type { OrgdEvent } from "@orgd/client";
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { orgd } from "./api";
import { Chart, countDays } from "./chart";
import { asFailure, ErrorBox, type Failure } from "./errors";
import { EventList, eventTypes, typeText, type EventType } from "./events";
import { endOfFeed, readBack, type Part } from "./feed";
import { count, plural } from "./format";
import { Select } from "./forms";
import { setQuery, useRoute } from "./router";
import { can, whenSessionEnds } from "./session";
import { Announcement, Badge, Empty, Skeleton } from "./states";
import { Title } from "./title";

const groups = [
  ["", "All changes"],
  ["org", "Organizations"],
  ["member", "Members"],
  ["api_key", "API keys"],
  ["webhook", "Webhooks"],
] as const;

/** The types of a group, or the one type that the address names. */
function typesOf(filter: string): EventType[] {
  const all = eventTypes;
  switch (filter) {
    case "":
      return [];
    case "member":
      return all.filter((t) => t.startsWith("org.member") || t.endsWith("user_erased") || t === "user.erased");
    case "org":
      return all.filter((t) => t.startsWith("org.") && !t.startsWith("org.member"));
    case "api_key":
    case "webhook":
      return all.filter((t) => t.startsWith(`${filter}.`));
  }
  return all.filter((t) => t === filter);
}

const step = 50;
/** How many events the page reads at first. */
const enough = 300;
/** After this number of new events, the page begins again, so that it does not grow for ever. */
const most = 5000;

export function Activity() {
  const { query } = useRoute();
  const filter = query.get("type") ?? "";
  return (
    <>
      <Feed
        key={filter}
        types={typesOf(filter)}
        choice={
          <Select
            label="Show"
            isLabelHidden
            value={filter}
            set={(type) => setQuery({ type })}
            options={[...groups, ...eventTypes.map((type) => [type, `– ${typeText(type)}`] as const)]}
          />
        }
      />
    </>
  );
}

function Feed({ types, choice }: { types: readonly EventType[]; choice: ComponentChildren }) {
  const [loaded, setLoaded] = useState<Part>();
  const [error, setError] = useState<Failure>();
  const [read, setRead] = useState(0);
  const [fresh, setFresh] = useState(0);
  const [shown, setShown] = useState(step);
  const [isOlderBusy, setOlderBusy] = useState(false);
  const [isLive, setLive] = useState(false);
  const [round, setRound] = useState(0);

  useEffect(() => {
    const abort = new AbortController();
    const { signal } = abort;
    const follow = async () => {
      const end = await endOfFeed(signal);
      const part = await readBack(end, types, enough, signal, setRead);
      setLoaded(part);
      setShown(step);
      setLive(true);
      let size = 0;
      const live = orgd.events({
        ...(types.length && { type: [...types] }),
        cursor: end,
        signal,
        onRetry: () => setLive(false),
        onCursor: () => setLive(true),
      });
      for await (const event of live) {
        setLoaded((old) => old && { ...old, events: [event, ...old.events] });
        setFresh((n) => n + 1);
        if (++size > most) return setRound((n) => n + 1);
      }
    };
    setError(undefined);
    follow().catch((e: unknown) => {
      if (signal.aborted) return;
      setLive(false);
      setError(asFailure(e));
    });
    return () => abort.abort();
  }, [round]);

  const all = loaded?.events ?? [];
  const visible = all.slice(0, shown);
  const names = useOrgNames(visible);
  const hasOlder = loaded?.older !== undefined;
  const oldest = all.at(-1);
  const days = useMemo(() => countDays(all.map((e) => e.occurredAt), hasOlder && oldest ? new Date(oldest.occurredAt) : undefined), [loaded]);

  const showMore = async () => {
    if (shown < all.length) return setShown(shown + step);
    if (!loaded?.older) return;
    const { older } = loaded;
    setOlderBusy(true);
    try {
      const part = await readBack(older, types, step, new AbortController().signal, () => {});
      setLoaded((old) => (old?.older === older ? { older: part.older, events: [...old.events, ...part.events] } : old)); // unless the page began again
      setShown(shown + step);
    } catch (e) {
      setError(asFailure(e));
    } finally {
      setOlderBusy(false);
    }
  };

  return (
    <>
      <div class="page-head">
        <Title title="Activity" />
        {loaded && <Badge tone={isLive ? "good" : "warning"}>{isLive ? "Live" : "Reconnecting"}</Badge>}
        <span class="grow" />
        {choice}
      </div>
      <Announcement>{fresh > 0 && plural(fresh, "new change")}</Announcement>
      {error && <ErrorBox error={error} what="the activity" reload={() => setRound(round + 1)} />}
      {!loaded ? (
        !error && (
          <>
            <Skeleton lines={8} />
            {read > 0 && <p class="quiet">{plural(read, "change")} read…</p>}
          </>
        )
      ) : (
        <>
          <section class="card" aria-labelledby="chart-title">
            <div class="card-head">
              <h2 id="chart-title">Changes a day</h2>
              <span class="none">{hasOlder ? `of the last ${count(loaded.events.length)}` : "in the last 30 days"}</span>
            </div>
            <Chart days={days} />
          </section>
          {visible.length ? (
            <section class="card" aria-label="Changes">
              <EventList events={visible} label="Changes, newest first" names={names} />
              {(shown < all.length || hasOlder) && (
                <button type="button" class="button" aria-busy={isOlderBusy} disabled={isOlderBusy} onClick={showMore}>
                  Show older changes
                </button>
              )}
            </section>
          ) : (
            <Empty
              title={types.length ? "No such change" : "No changes yet"}
              action={
                hasOlder && (
                  <button type="button" class="button" aria-busy={isOlderBusy} onClick={showMore}>
                    Look further back
                  </button>
                )
              }
            >
              New changes appear here as soon as they are made.
            </Empty>
          )}
        </>
      )}
    </>
  );
}

let nameCache: ReadonlyMap<string, string> = new Map();
whenSessionEnds(() => (nameCache = new Map()));

/** The names of the organizations that events are about. Deleted ones have none. */
function useOrgNames(events: readonly OrgdEvent[]): ReadonlyMap<string, string> {
  const [names, setNames] = useState(nameCache);
  const renamed = events.filter((e) => e.type === "org.updated" && "orgName" in e.after).length;
  const unknown = [...new Set(events.flatMap((e) => e.orgId ?? []))].filter((id) => !nameCache.has(id)).slice(0, 100);
  const wanted = unknown.join();
  useEffect(() => {
    if (!wanted || !can("orgs:read")) return;
    const abort = new AbortController();
    orgd.GET("/v1/orgs", { params: { query: { orgId: wanted.split(","), limit: 100 } }, signal: abort.signal }).then(
      ({ data }) => {
        nameCache = new Map([...nameCache, ...data.organizations.map((o) => [o.orgId, o.orgName] as const)]);
        setNames(nameCache);
      },
      () => {}, // ids are shown instead
    );
    return () => abort.abort();
  }, [wanted, renamed]);
  return names;
}
