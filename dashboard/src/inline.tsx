import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { asFailure, messageOf, type Failure } from "./errors";
import { Icon } from "./icons";

interface InlineEditProps<T> {
  label: string;
  value: string;
  /** What the reader saw when the edit began. */
  base: T;
  /** Makes the change, and returns false if the reader wants to go on editing. */
  save: ((value: string, base: T) => Promise<boolean>) | undefined;
  maxLength: number;
  isHeading?: boolean;
  isCode?: boolean;
  mayBeEmpty?: boolean;
  children: ComponentChildren;
}

/** Text with a button that turns it into a field. Enter saves, Escape restores. */
export function InlineEdit<T>({ label, value, base, save, maxLength, isHeading, isCode, mayBeEmpty, children }: InlineEditProps<T>) {
  const [text, setText] = useState<string>();
  const [error, setError] = useState<Failure>();
  const [isBusy, setBusy] = useState(false);
  const seen = useRef(base);
  const edit = useRef<HTMLButtonElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const wasEditing = useRef(false);
  const id = useId();
  const isEditing = text !== undefined;

  useEffect(() => {
    if (isEditing) input.current?.select();
    else if (wasEditing.current) edit.current?.focus();
    wasEditing.current = isEditing;
  }, [isEditing]);

  const stop = () => {
    setText(undefined);
    setError(undefined);
  };
  const submit = async (event: Event) => {
    event.preventDefault();
    if (text === undefined || isBusy || !save) return;
    if (text === value) return stop();
    setBusy(true);
    setError(undefined);
    try {
      if (await save(text, seen.current)) stop();
    } catch (e) {
      setError(asFailure(e));
    } finally {
      setBusy(false);
    }
  };

  if (!isEditing)
    return (
      <span class={`inline ${isHeading ? "heading" : ""}`}>
        {children}
        {save && (
          <button
            ref={edit}
            type="button"
            class="plain"
            aria-label={`Edit ${label.toLowerCase()}`}
            title={`Edit ${label.toLowerCase()}`}
            onClick={() => {
              seen.current = base;
              setText(value);
            }}
          >
            <Icon name="edit" />
          </button>
        )}
      </span>
    );
  return (
    <form
      class={`inline-form ${isHeading ? "heading" : ""}`}
      onSubmit={submit}
      onKeyDown={(event) => {
        if (event.key === "Escape") stop();
      }}
      noValidate
    >
      {isHeading && <span class="hidden">{children}</span>}
      <input
        ref={input}
        class={isCode ? "mono" : ""}
        aria-label={label}
        aria-invalid={error ? true : undefined}
        aria-describedby={error ? id : undefined}
        value={text}
        maxLength={maxLength}
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <button type="submit" class="button primary" aria-busy={isBusy} disabled={!mayBeEmpty && !text.trim()}>
        Save
      </button>
      <button type="button" class="button" onClick={stop}>
        Cancel
      </button>
      <span role="alert" class="field-error" id={id}>
        {error && messageOf(error)}
      </span>
    </form>
  );
}
