import type { ApiKey } from "@orgd/client";
import { useEffect } from "preact/hooks";
import { orgd } from "./api";
import { Foreign, shortId } from "./format";
import { Link } from "./router";
import { can, session, whenSessionEnds } from "./session";
import { createStore, useStore } from "./store";

/** The keys of the account by id, if the key of the session may list them. */
const known = createStore<ReadonlyMap<string, ApiKey> | undefined>(undefined);
let isReading = false;

whenSessionEnds(() => {
  known.set(undefined);
  isReading = false;
});

/** Reads the keys again at the next use. */
export function forgetKeyNames(): void {
  isReading = false;
  readOwnKey().catch(() => {}); // the old record stays
}

async function read(): Promise<void> {
  if (isReading || !can("keys:manage")) return;
  isReading = true;
  const keys = new Map<string, ApiKey>();
  const key = session()?.key;
  try {
    for await (const one of orgd.keys()) {
      keys.set(one.apiKeyId, one);
      if (keys.size >= 2000) break;
    }
    if (session()?.key === key) known.set(keys);
  } catch {
    isReading = false; // ids are shown instead of names
  }
}

export function useKeys(): ReadonlyMap<string, ApiKey> | undefined {
  const keys = useStore(known);
  useEffect(() => void read(), []);
  return keys;
}

/** The record of the session's key. */
const own = createStore<ApiKey | undefined>(undefined);
whenSessionEnds(() => own.set(undefined));

export async function readOwnKey(signal?: AbortSignal): Promise<void> {
  const key = session()?.key;
  const { data } = await orgd.GET("/v1/api-keys/current", { ...(signal && { signal }) });
  if (session()?.key === key) own.set(data);
}

export function useOwnKey(): ApiKey | undefined {
  const key = useStore(own);
  useEffect(() => {
    if (!own.get()) readOwnKey().catch(() => {}); // what needs it is not shown
  }, []);
  return key;
}

export const hasEnded = (key: ApiKey, now = Date.now()): boolean => key.revokedAt !== undefined || (key.expiresAt !== undefined && Date.parse(key.expiresAt) <= now);

/** The description of a key, or its id if it is not known. */
export function KeyName({ id }: { id: string }) {
  const key = useKeys()?.get(id);
  if (!can("keys:manage"))
    return (
      <span title={id}>
        <code>{shortKeyId(id)}</code>
      </span>
    );
  return (
    <Link to={`/keys/${id}`} class="key-name">
      {key ? <Foreign class="cut">{key.description}</Foreign> : <code title={id}>{shortKeyId(id)}</code>}
    </Link>
  );
}

const shortKeyId = (id: string): string => shortId(`_${id}`).slice(1);
