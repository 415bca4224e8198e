import { createStore, useStore } from "./store";
import type { Scope } from "./scopes";

export interface Session {
  key: string;
  scopes: readonly Scope[];
}

// The key is kept for this tab only, and is never part of a URL or a cookie.
const storageName = "orgd.session";

const store = createStore<Session | undefined>(read());
/** Why the last session ended, for the sign-in page. */
export const endReason = createStore<string | undefined>(undefined);
const onEnd = new Set<() => void>();

function read(): Session | undefined {
  try {
    const value: unknown = JSON.parse(sessionStorage.getItem(storageName) ?? "null");
    if (typeof value !== "object" || value === null) return undefined;
    const { key, scopes } = value as Partial<Session>;
    return typeof key === "string" && Array.isArray(scopes) ? { key, scopes } : undefined;
  } catch {
    return undefined; // no storage, or another program's content
  }
}

function write(session: Session | undefined): void {
  try {
    if (session) sessionStorage.setItem(storageName, JSON.stringify(session));
    else sessionStorage.removeItem(storageName);
  } catch {
    // Without storage, the session lasts until the page is reloaded.
  }
  store.set(session);
}

export const session = (): Session | undefined => store.get();
export const useSession = (): Session | undefined => useStore(store);

export function startSession(session: Session): void {
  endReason.set(undefined);
  write(session);
}

/** Ends the session. The reason is shown on the sign-in page. */
export function endSession(reason?: string): void {
  if (!store.get()) return;
  endReason.set(reason);
  for (const clean of onEnd) clean();
  write(undefined);
}

/** Calls clean whenever a session ends, so that nothing of it stays in memory. */
export const whenSessionEnds = (clean: () => void): void => void onEnd.add(clean);

/** Whether the key of the session has the scope. */
export const can = (scope: Scope): boolean => store.get()?.scopes.includes(scope) ?? false;

/** Drops a scope that the key turned out to lack. */
export function dropScope(scope: string): void {
  const current = store.get();
  if (current?.scopes.some((s) => s === scope)) write({ ...current, scopes: current.scopes.filter((s) => s !== scope) });
}
