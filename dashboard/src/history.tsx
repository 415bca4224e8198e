import { useEffect, useState } from "preact/hooks";
import { orgd } from "./api";
import { asFailure, ErrorBox, type Failure } from "./errors";
import { EventList, type Event } from "./events";
import { Empty, Skeleton } from "./states";

interface HistoryProps {
  path: { orgId: string } | { apiKeyId: string };
  /** The events are read again when it changes. */
  version?: string | number;
  isMissing?: boolean;
}

/** The events about an organization or a key, newest first, in pages that add up. */
export function History({ path, version, isMissing }: HistoryProps) {
  const [events, setEvents] = useState<readonly Event[]>();
  const [cursor, setCursor] = useState<string>();
  const [error, setError] = useState<Failure>();
  const [isBusy, setBusy] = useState(false);
  const id = "orgId" in path ? path.orgId : path.apiKeyId;

  const read = async (from: string | undefined, signal?: AbortSignal) => {
    setBusy(true);
    setError(undefined);
    try {
      const query = { limit: 50, ...(from && { cursor: from }) };
      const init = signal ? { signal } : {};
      const { data } = await ("orgId" in path
        ? orgd.GET("/v1/orgs/{orgId}/events", { params: { path, query }, ...init })
        : orgd.GET("/v1/api-keys/{apiKeyId}/events", { params: { path, query }, ...init }));
      setEvents((old) => (from ? [...(old ?? []), ...data.events] : data.events));
      setCursor(data.cursor);
    } catch (e) {
      if (!signal?.aborted) setError(asFailure(e));
    } finally {
      if (!signal?.aborted) setBusy(false);
    }
  };
  useEffect(() => {
    const abort = new AbortController();
    void read(undefined, abort.signal);
    return () => abort.abort();
  }, [id, version]);

  if (error && !events) return isMissing ? null : <ErrorBox error={error} what="the history" reload={() => read(undefined)} />;
  if (!events) return <Skeleton lines={8} />;
  if (!events.length) return isMissing ? null : <Empty title="No history">Its events are older than the server keeps them, or it was created before events were kept.</Empty>;
  return (
    <section aria-label="History" class="card">
      {isMissing && <h2>What is left of its history</h2>}
      <EventList events={events} label="History" isAboutOne />
      {error && <ErrorBox error={error} what="the rest of the history" />}
      {cursor && (
        <button type="button" class="button" aria-busy={isBusy} onClick={() => read(cursor)}>
          Show older changes
        </button>
      )}
    </section>
  );
}
