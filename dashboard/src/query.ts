import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { OrgdConnectionError, OrgdError } from "./api";
import { connection } from "./connection";
import { whenSessionEnds } from "./session";

export interface Query<T> {
  data: T | undefined;
  error: OrgdError | OrgdConnectionError | undefined;
  isLoading: boolean;
  reload(): void;
  /** Replaces the data, for example with what a change returned. */
  set(data: T): void;
}

// The last data of each query, so that a page that was seen before appears at once.
const cache = new Map<string, unknown>();
whenSessionEnds(() => cache.clear());

/** Forgets cached data whose name starts with the prefix. */
export function forget(prefix: string): void {
  for (const name of cache.keys()) if (name.startsWith(prefix)) cache.delete(name);
}

interface State<T> {
  name: string;
  data?: T | undefined;
  error?: OrgdError | OrgdConnectionError;
  isLoading: boolean;
}

/**
 * Runs load whenever the name changes. An earlier call is aborted, so the last one wins.
 * With `keeps`, the data of the previous name stays until the new data is there.
 */
export function useQuery<T>(name: string, load: (signal: AbortSignal) => Promise<T>, { keeps = false } = {}): Query<T> {
  const known = (): T | undefined => cache.get(name) as T | undefined;
  const [state, setState] = useState<State<T>>(() => ({ name, data: known(), isLoading: true }));
  const [round, setRound] = useState(0);
  const latest = useRef(load);
  latest.current = load;

  // A layout effect, because other effects wait for the browser to paint.
  useLayoutEffect(() => {
    const abort = new AbortController();
    setState((old) => ({ name, data: known() ?? (keeps || old.name === name ? old.data : undefined), isLoading: true }));
    latest.current(abort.signal).then(
      (data) => {
        if (abort.signal.aborted) return;
        remember(name, data);
        setState({ name, data, isLoading: false });
      },
      (error: unknown) => {
        if (abort.signal.aborted) return;
        if (!(error instanceof OrgdError || error instanceof OrgdConnectionError)) throw error;
        const isGone = error instanceof OrgdError && error.status < 500;
        if (isGone) cache.delete(name);
        setState((old) => ({ name, data: isGone ? undefined : old.data, error, isLoading: false }));
      },
    );
    return () => abort.abort();
  }, [name, round]);

  const reload = useCallback(() => setRound((n) => n + 1), []);
  const set = useCallback(
    (data: T) => {
      remember(name, data);
      setState({ name, data, isLoading: false });
    },
    [name],
  );

  // What failed for want of a server is read again when it is back.
  const hasFailed = state.error instanceof OrgdConnectionError || (state.error?.status ?? 0) >= 500;
  useEffect(() => {
    if (!hasFailed) return;
    return connection.subscribe(() => {
      if (connection.get() === "connected") reload();
    });
  }, [hasFailed]);

  const isCurrent = state.name === name;
  return {
    data: isCurrent || keeps ? state.data : known(),
    error: isCurrent ? state.error : undefined,
    isLoading: !isCurrent || state.isLoading,
    reload,
    set,
  };
}

function remember(name: string, data: unknown): void {
  cache.delete(name);
  cache.set(name, data);
  const oldest = cache.keys().next();
  if (cache.size > 100 && !oldest.done) cache.delete(oldest.value);
}
