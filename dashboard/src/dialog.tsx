import type { ComponentChildren } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Icon } from "./icons";
import { asFailure, ErrorText, type Failure } from "./errors";

interface DialogProps {
  title: string;
  children: ComponentChildren;
  close: () => void;
  /** Called at Escape and the close button. It returns false to stay open. */
  mayClose?: () => boolean;
  wide?: boolean;
}

/** A modal dialog. Escape closes it, and the focus then returns to where it was. */
export function Dialog({ title, children, close, mayClose, wide }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const heading = useId();
  const isShown = useRef(true);
  useLayoutEffect(() => {
    const opener = document.activeElement;
    const dialog = element.current;
    if (!dialog) return;
    dialog.showModal();
    // Not the close button, which comes first.
    const start = ["[data-focus]", "input, select", "footer button"].map((s) => dialog.querySelector<HTMLElement>(s)).find(Boolean);
    start?.focus();
    return () => {
      isShown.current = false;
      dialog.close();
      const target = opener instanceof HTMLElement && opener.isConnected && opener !== document.body ? opener : document.querySelector("h1");
      (target as HTMLElement | null)?.focus();
    };
  }, []);
  const cancel = (event: Event) => {
    event.preventDefault();
    if (mayClose?.() ?? true) close();
  };
  return (
    <dialog ref={element} class={wide ? "wide" : ""} aria-labelledby={heading} onCancel={cancel} onClose={() => isShown.current && close()}>
      <header>
        <h2 id={heading}>{title}</h2>
        <button type="button" class="plain" aria-label="Close" onClick={cancel}>
          <Icon name="close" />
        </button>
      </header>
      {children}
    </dialog>
  );
}

interface FormProps {
  title: string;
  submit: string;
  isDangerous?: boolean;
  /** Whether the form may be sent. True if it is left out. */
  ready?: boolean;
  wide?: boolean;
  children: ComponentChildren | ((errors: FieldErrors) => ComponentChildren);
  /** Makes the change. What it throws is shown in the dialog. */
  send: () => Promise<void>;
  close: () => void;
}

/** What the server says about each field. */
export type FieldErrors = (field: string) => string | undefined;

/** A dialog with a form that makes one change. */
export function FormDialog({ title, submit, isDangerous, ready = true, wide, children, send, close }: FormProps) {
  const [error, setError] = useState<Failure>();
  const [isBusy, setBusy] = useState(false);
  const isOpen = useRef(true);
  useEffect(() => () => void (isOpen.current = false), []);
  const onSubmit = async (event: Event) => {
    event.preventDefault();
    if (isBusy || !ready) return;
    setBusy(true);
    setError(undefined);
    try {
      await send();
    } catch (e) {
      if (isOpen.current) setError(asFailure(e));
    } finally {
      if (isOpen.current) setBusy(false);
    }
  };
  const fieldErrors: FieldErrors = (field) => (error && "errors" in error ? error.errors.find((e) => e.field === field || e.field.startsWith(`${field}.`))?.detail : undefined);
  return (
    <Dialog title={title} close={close} {...(wide ? { wide } : {})}>
      <form onSubmit={onSubmit} noValidate>
        <div class="dialog-body">{typeof children === "function" ? children(fieldErrors) : children}</div>
        <div role="alert">{error && <ErrorText error={error} />}</div>
        <footer>
          <button type="button" class="button" onClick={close}>
            Cancel
          </button>
          <button type="submit" class={`button ${isDangerous ? "danger" : "primary"}`} disabled={!ready} aria-busy={isBusy}>
            {submit}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
