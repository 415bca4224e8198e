import { createStore } from "./store";

/** What the last response said about the rate limit (draft-ietf-httpapi-ratelimit-headers). */
export interface Limits {
  name: "key" | "account";
  quota: number;
  window: number; // seconds in which the quota refills
  left: number;
  reset: number; // seconds until all of it is there again
  at: number;
}

/** Undefined until there is a response; null if the key has no limit. */
export const limits = createStore<Limits | null | undefined>(undefined);

export function noteLimits(headers: Headers): void {
  const policy = /^"(key|account)";q=(\d+);w=(\d+)/.exec(headers.get("RateLimit-Policy") ?? "");
  const left = /^"(?:key|account)";r=(\d+);t=(\d+)/.exec(headers.get("RateLimit") ?? "");
  limits.set(
    policy && left
      ? { name: policy[1] as Limits["name"], quota: Number(policy[2]), window: Number(policy[3]), left: Number(left[1]), reset: Number(left[2]), at: Date.now() }
      : null,
  );
}

export const forgetLimits = (): void => limits.set(undefined);
