import { createStore, useStore } from "./store";

const dateFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const dateTimeFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const secondFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const fullFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const numbers = new Intl.NumberFormat("en");

export const count = (n: number): string => numbers.format(n);
export const plural = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`;

/** The text for a total, such as "1 member found". */
export const foundText = (total: string, one: string): string => `${total} ${total === "1" ? one : `${one}s`} found`;

/** A number of the header Orgd-Total: 1,234 or 10,000+. */
export function total(value: string | null): string | undefined {
  const match = /^(\d+)(\+?)$/.exec(value ?? "");
  return match ? count(Number(match[1])) + match[2] : undefined;
}

const units: [Intl.RelativeTimeFormatUnit, number][] = [["year", 31_536_000], ["month", 2_592_000], ["day", 86_400], ["hour", 3600], ["minute", 60]];

export function ago(time: string, now = Date.now()): string {
  const seconds = (Date.parse(time) - now) / 1000;
  if (Math.abs(seconds) < 45) return seconds > 0 ? "in a moment" : "just now";
  for (const [unit, size] of units) {
    if (Math.abs(seconds) >= size * 0.95) return relative.format(Math.round(seconds / size), unit);
  }
  return relative.format(Math.round(seconds / 60), "minute");
}

const minute = createStore(0);
setInterval(() => minute.set(minute.get() + 1), 60_000);

const formats = { date: dateFormat, time: dateTimeFormat, second: secondFormat };

/** A point in time: a date, a date with the time of day (to the minute or the second), or the distance from now. */
export function Time({ at, as = "date" }: { at: string; as?: keyof typeof formats | "ago" }) {
  useStore(minute);
  const time = new Date(at);
  const text = as === "ago" ? ago(at) : formats[as].format(time);
  return (
    <time dateTime={at} title={fullFormat.format(time)}>
      {text}
    </time>
  );
}

/** When a key was last used, which the server knows to the hour, and after some minutes. */
export function LastUsed({ at, isOwn = false }: { at: string | undefined; isOwn?: boolean }) {
  if (isOwn) return <>just now</>;
  if (!at) return <span class="none">never</span>;
  if (Date.now() - Date.parse(at) < 3_600_000) return <span title={fullFormat.format(new Date(at))}>in the last hour</span>;
  return <Time at={at} as="ago" />;
}

/** Text that somebody chose: isolated, so that its direction does not affect what is around it. */
export function Foreign({ children, class: className }: { children: string; class?: string }) {
  return (
    <bdi class={className} title={children}>
      {children}
    </bdi>
  );
}

/** An id in short form. The title has all of it. */
export function shortId(id: string): string {
  return id.length > 16 ? `${id.slice(0, id.indexOf("_") + 5)}…${id.slice(-4)}` : id;
}


/** A text for the title of the window, which cannot isolate directions. */
export const plain = (text: string): string => text.replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "");

/** A value of an event as text. */
export function valueText(value: unknown): string {
  if (value === null || value === undefined) return "none";
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.length ? value.join(", ") : "none";
  return JSON.stringify(value);
}

export function seconds(n: number): string {
  if (n === 0) return "none";
  for (const [unit, size] of [["day", 86_400], ["hour", 3600], ["minute", 60]] as const) if (n % size === 0) return plural(n / size, unit);
  return plural(n, "second");
}
