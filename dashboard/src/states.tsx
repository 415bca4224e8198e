import type { ComponentChildren } from "preact";

/** What a list shows when it has nothing. */
export function Empty({ title, children, action }: { title: string; children?: ComponentChildren; action?: ComponentChildren }) {
  return (
    <div class="state">
      <h2>{title}</h2>
      {children && <p>{children}</p>}
      {action}
    </div>
  );
}

/** Lines in place of content that is being read. */
export function Skeleton({ lines = 3 }: { lines?: number }) {
  return (
    <div class="skeleton-block" aria-hidden="true">
      {Array.from({ length: lines }, (_, i) => (
        <span key={i} class="skeleton" />
      ))}
    </div>
  );
}

export type Tone = "good" | "quiet" | "warning" | "bad";

export function Badge({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return <span class={`badge ${tone}`}>{children}</span>;
}

/** Text for screen readers that is announced when it changes. */
export function Announcement({ children }: { children: ComponentChildren }) {
  return (
    <p class="hidden" role="status" aria-live="polite">
      {children}
    </p>
  );
}
