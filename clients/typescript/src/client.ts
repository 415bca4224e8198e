import createClient, { type FetchOptions } from "openapi-fetch";
import type {
  FilterKeys,
  HttpMethod,
  PathsWithMethod,
  RequiredKeysOf,
  ResponseObjectMap,
  SuccessResponse,
} from "openapi-typescript-helpers";
import { errorOf, OrgdConnectionError, OrgdError } from "./errors.js";
import type { components, paths } from "./schema.js";

export type Organization = components["schemas"]["Organization"];
export type Member = components["schemas"]["Member"];
export type ApiKey = components["schemas"]["ApiKey"];
export type Webhook = components["schemas"]["Webhook"];
export type OrgdEvent = components["schemas"]["Event"] & { position: number };

export interface OrgdOptions {
  /** The origin of orgd, such as `https://orgs.example.com`. In a browser, `""` is the page's own origin. */
  baseUrl: string;
  /** The API key, or a function that returns it. The function is called for each request. */
  apiKey: string | (() => string | Promise<string>);
  /** The person on whose behalf the client acts (the header `Orgd-User`). The key needs the scope `act-as-user`. */
  userId?: string | undefined;
  /** Replaces the global `fetch`. */
  fetch?: ((request: Request) => Promise<Response>) | undefined;
  /** How often a failed call is retried. 2 if it is left out. */
  maxRetries?: number | undefined;
  /** After how many milliseconds a request without a complete response fails. 60,000 if it is left out. */
  timeout?: number | undefined;
}

type Init<Path extends keyof paths, Method extends HttpMethod> = Omit<
  FetchOptions<FilterKeys<paths[Path], Method>>,
  "parseAs" | "fetch" | "baseUrl" | "middleware" | "bodySerializer" | "querySerializer" | "pathSerializer"
>;

type Args<T> = RequiredKeysOf<T> extends never ? [init?: T] : [init: T];

type Data<Operation> =
  Operation extends Record<string | number, unknown> ? SuccessResponse<ResponseObjectMap<Operation>, "application/json"> : never;

export interface Result<T> {
  data: T;
  response: Response;
}

export interface Call<Method extends HttpMethod> {
  <Path extends PathsWithMethod<paths, Method>>(
    path: Path,
    ...args: Args<Init<Path, Method>>
  ): Promise<Result<Data<paths[Path][Method & keyof paths[Path]]>>>;
  /** `data` is the body, unread. Such a call has no timeout. */
  <Path extends PathsWithMethod<paths, Method>>(
    path: Path,
    init: Init<Path, Method> & { parseAs: "stream" },
  ): Promise<Result<ReadableStream<Uint8Array>>>;
}

type Query<Path extends keyof paths> = paths[Path] extends { get: { parameters: { query?: infer Q } } } ? NonNullable<Q> : never;
type Filters<Path extends keyof paths> = Omit<Query<Path>, "cursor" | "before" | "total"> & { signal?: AbortSignal | undefined };

export interface EventsOptions extends Omit<Query<"/v1/events">, "cursor"> {
  /** Where to begin: a cursor from `onCursor`, or `now`. If it is left out, the oldest event that is kept. */
  cursor?: string | undefined;
  /** Aborting it ends the loop. */
  signal?: AbortSignal | undefined;
  /** Called when the loop has handled all events before this cursor. */
  onCursor?: ((cursor: string) => void | Promise<void>) | undefined;
  /** Called when a request has failed and will be repeated. The next call of `onCursor` means that the connection works again. */
  onRetry?: ((error: OrgdError | OrgdConnectionError) => void) | undefined;
}

export interface Orgd {
  GET: Call<"get">;
  HEAD: Call<"head">;
  POST: Call<"post">;
  PUT: Call<"put">;
  PATCH: Call<"patch">;
  DELETE: Call<"delete">;
  organizations(filters?: Filters<"/v1/orgs">): AsyncGenerator<Organization, void, undefined>;
  members(orgId: string, filters?: Filters<"/v1/orgs/{orgId}/users">): AsyncGenerator<Member, void, undefined>;
  keys(filters?: Filters<"/v1/api-keys">): AsyncGenerator<ApiKey, void, undefined>;
  webhooks(filters?: Filters<"/v1/webhooks">): AsyncGenerator<Webhook, void, undefined>;
  /**
   * The account's events, oldest first. The loop waits for new ones, survives lost
   * connections, and ends only when `signal` is aborted. It throws `CursorExpiredError` if
   * the feed cannot continue at the cursor.
   */
  events(options?: EventsOptions): AsyncGenerator<OrgdEvent, void, undefined>;
}

interface AnyInit {
  signal?: AbortSignal | null;
  parseAs?: "stream";
}

/** Makes a client. Calls that do not succeed throw `OrgdError` or `OrgdConnectionError`. */
export function createOrgd(options: OrgdOptions): Orgd {
  const { apiKey, userId, maxRetries = 2, timeout = 60_000 } = options;
  const baseUrl = options.baseUrl.replace(/\/+$/, "");
  const send = options.fetch ?? ((request: Request) => globalThis.fetch(request));
  const client = createClient({ baseUrl, querySerializer: queryString, pathSerializer: fillPath });
  // The methods below have the types of Call; within, one function serves all paths.
  const request = client.request as unknown as (
    method: string,
    path: string,
    init: object,
  ) => Promise<{ data?: unknown; error?: unknown; response: Response }>;

  async function call(method: string, path: string, init: AnyInit = {}): Promise<Result<unknown>> {
    const { signal } = init;
    // All retries of a call have the same key, so orgd makes the change only once.
    const idempotencyKey = method === "POST" || method === "PATCH" ? randomKey() : undefined;
    for (let attempt = 0; ; attempt++) {
      let url: string | undefined;
      const fetch = async (request: Request): Promise<Response> => {
        const key = typeof apiKey === "function" ? await apiKey() : apiKey;
        setDefault(request.headers, "Authorization", `Bearer ${key}`);
        if (userId !== undefined) setDefault(request.headers, "Orgd-User", encodeUserId(userId));
        if (idempotencyKey) setDefault(request.headers, "Idempotency-Key", idempotencyKey);
        url = request.url;
        if (init.parseAs === "stream") return send(request);
        return send(new Request(request, { signal: AbortSignal.any([request.signal, AbortSignal.timeout(timeout)]) }));
      };
      let failure: OrgdError | OrgdConnectionError;
      try {
        const { data, error, response } = await request(method, path, { ...init, fetch });
        if (response.ok || response.status === 304) return { data, response };
        failure = errorOf(response, error);
      } catch (error) {
        signal?.throwIfAborted();
        if (url === undefined) throw error; // an invalid argument
        failure = new OrgdConnectionError(url, error);
      }
      if (attempt >= maxRetries || !canRetry(failure)) throw failure;
      await sleep(delay(failure, attempt), signal);
    }
  }

  const method =
    (name: string) =>
    (path: string, init?: AnyInit): Promise<never> =>
      call(name, path, init) as Promise<never>;

  async function* pages<T>(path: string, list: string, filters: { signal?: AbortSignal | undefined } = {}, ids?: object): AsyncGenerator<T, void, undefined> {
    const { signal, ...query } = filters;
    let cursor: unknown;
    do {
      const { data } = await call("GET", path, {
        ...(signal && { signal }),
        params: { path: ids, query: { limit: 100, ...query, cursor } },
      } as AnyInit);
      const page = data as Record<string, unknown>;
      yield* page[list] as T[];
      cursor = page.hasMore ? page.cursor : undefined;
    } while (cursor);
  }

  async function* events(options: EventsOptions = {}): AsyncGenerator<OrgdEvent, void, undefined> {
    const { signal, onCursor, onRetry, ...query } = options;
    let failures = 0;
    while (!signal?.aborted) {
      let page: components["schemas"]["EventPage"];
      try {
        // After a failure, ask without waiting, so that onCursor soon reports a connection that works again.
        const wait = failures ? 0 : 30;
        const { data } = await call("GET", "/v1/events", {
          ...(signal && { signal }),
          params: { query: { limit: 100, wait, ...query } },
        } as AnyInit);
        page = data as typeof page;
        failures = 0;
      } catch (error) {
        if (signal?.aborted) return;
        if (!(error instanceof OrgdError || error instanceof OrgdConnectionError) || !canRetry(error)) throw error;
        onRetry?.(error);
        await sleep(delay(error, ++failures), signal).catch(() => {});
        continue;
      }
      for (const event of page.events) {
        yield event as OrgdEvent;
        if (signal?.aborted) return;
      }
      query.cursor = page.cursor;
      await onCursor?.(page.cursor);
    }
  }

  return {
    GET: method("GET"),
    HEAD: method("HEAD"),
    POST: method("POST"),
    PUT: method("PUT"),
    PATCH: method("PATCH"),
    DELETE: method("DELETE"),
    organizations: (filters) => pages("/v1/orgs", "organizations", filters),
    members: (orgId, filters) => pages("/v1/orgs/{orgId}/users", "users", filters, { orgId }),
    keys: (filters) => pages("/v1/api-keys", "apiKeys", filters),
    webhooks: (filters) => pages("/v1/webhooks", "webhooks", filters),
    events,
  };
}

// Every call can be repeated: POST and PATCH have an Idempotency-Key, and the other
// methods are idempotent.
function canRetry(failure: OrgdError | OrgdConnectionError): boolean {
  if (failure instanceof OrgdConnectionError) return true;
  // A longer wait is for the caller to decide.
  if (failure.retryAfter !== undefined && failure.retryAfter > 60) return false;
  const shouldRetry = failure.response.headers.get("x-should-retry");
  if (shouldRetry) return shouldRetry === "true";
  return [408, 429, 500, 502, 503, 504].includes(failure.status) || failure.code === "idempotency_in_progress";
}

function delay(failure: OrgdError | OrgdConnectionError, attempt: number): number {
  if (failure instanceof OrgdError && failure.retryAfter !== undefined) return failure.retryAfter * 1000;
  return Math.min(500 * 2 ** attempt, 8000) * (1 - Math.random() / 4);
}

function sleep(milliseconds: number, signal?: AbortSignal | null): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop, { once: true });
  });
}

function setDefault(headers: Headers, name: string, value: string): void {
  if (!headers.has(name)) headers.set(name, value);
}

// crypto.randomUUID does not exist on pages without TLS.
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Orgd-User has % and everything that is not printable ASCII percent-encoded.
function encodeUserId(userId: string): string {
  return userId.replace(/[^\x20-\x24\x26-\x7e]/gu, encodeURIComponent);
}

// The serializer of openapi-fetch does not encode the key in metadata[key].
function queryString(query: object): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null) continue;
    if (Array.isArray(value)) for (const one of value) search.append(name, String(one));
    else if (typeof value === "object") for (const [key, one] of Object.entries(value)) search.append(`${name}[${key}]`, String(one));
    else search.append(name, String(value));
  }
  return search.toString();
}

function fillPath(path: string, params: Record<string, unknown>): string {
  return path.replace(/\{([A-Za-z]+)\}/g, (_, name: string) => {
    const value = String(params[name] ?? "");
    // A URL parser resolves these segments, and the call would go to another path.
    if (value === "" || value === "." || value === "..") throw new TypeError(`${name} cannot be ${JSON.stringify(value)} in a path`);
    return encodeURIComponent(value);
  });
}
