import { createStore, useStore } from "./store";
import { Icon } from "./icons";
import { whenSessionEnds } from "./session";
import { ErrorText, type Failure } from "./errors";

interface Toast {
  id: number;
  kind: "done" | "failed";
  text: string;
  error?: Failure | undefined;
}

const toasts = createStore<readonly Toast[]>([]);
whenSessionEnds(() => toasts.set([]));
let last = 0;

/** Says in a corner of the window what happened. */
export function toast(text: string): void {
  const id = show({ kind: "done", text });
  setTimeout(() => dismiss(id), 6000);
}

/** Says what failed. It stays until it is dismissed. */
export const toastError = (text: string, error?: Failure): void => void show({ kind: "failed", text, error });

function show(toast: Omit<Toast, "id">): number {
  const id = ++last;
  toasts.set([...toasts.get().slice(-2), { ...toast, id }]);
  return id;
}

const dismiss = (id: number): void => toasts.set(toasts.get().filter((t) => t.id !== id));

export function Toasts() {
  const shown = useStore(toasts);
  return (
    <div class="toasts" role="status" aria-live="polite">
      {shown.map((t) => (
        <div key={t.id} class={`toast ${t.kind}`}>
          <Icon name={t.kind === "done" ? "check" : "warning"} />
          <div>
            <p>{t.text}</p>
            {t.error && <ErrorText error={t.error} />}
          </div>
          <button type="button" class="plain" aria-label="Dismiss" onClick={() => dismiss(t.id)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}
