import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";
import { Icon } from "./icons";

interface FieldProps {
  label: string;
  type?: "text" | "password" | "url" | "number" | "datetime-local";
  placeholder?: string;
  maxLength?: number;
  min?: string;
  required?: boolean;
  hint?: ComponentChildren;
  error?: string | undefined;
  value: string;
  set: (value: string) => void;
  focus?: boolean;
  isCode?: boolean;
}

/** An input with its label, a hint and what is wrong with it. */
export function Field({ label, type = "text", placeholder, maxLength, min, required, hint, error, value, set, focus, isCode }: FieldProps) {
  const id = useId();
  const describedBy = [hint ? `${id}h` : "", error ? `${id}e` : ""].filter(Boolean).join(" ");
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        type={type as "text" /* preact's types take one type at a time */}
        placeholder={placeholder}
        maxLength={maxLength}
        min={min}
        required={required}
        class={isCode ? "mono" : ""}
        value={value}
        autocomplete="off"
        spellcheck={false}
        aria-invalid={error ? true : undefined}
        aria-describedby={describedBy || undefined}
        data-focus={focus || undefined}
        onInput={(event) => set(event.currentTarget.value)}
      />
      {hint && (
        <p class="hint" id={`${id}h`}>
          {hint}
        </p>
      )}
      {error && (
        <p class="field-error" id={`${id}e`}>
          {error}
        </p>
      )}
    </div>
  );
}

interface SelectProps {
  label: string;
  value: string;
  set: (value: string) => void;
  options: readonly (readonly [value: string, text: string])[];
  isLabelHidden?: boolean;
  hint?: ComponentChildren;
  class?: string;
}

export function Select({ label, value, set, options, isLabelHidden, hint, class: className }: SelectProps) {
  const id = useId();
  return (
    <div class={`field ${className ?? ""}`}>
      <label for={id} class={isLabelHidden ? "hidden" : ""}>
        {label}
      </label>
      <select id={id} value={value} aria-describedby={hint ? `${id}h` : undefined} onChange={(event) => set(event.currentTarget.value)}>
        {options.map(([v, text]) => (
          <option key={v} value={v}>
            {text}
          </option>
        ))}
      </select>
      {hint && (
        <p class="hint" id={`${id}h`}>
          {hint}
        </p>
      )}
    </div>
  );
}

export function CopyButton({ text, label, isPrimary, onCopied }: { text: string; label: string; isPrimary?: boolean; onCopied?: () => void }) {
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    if (!(await copyText(text))) return;
    setCopied(true);
    onCopied?.();
    setTimeout(() => setCopied(false), 2000);
  };
  return isPrimary ? (
    <button type="button" class="button primary" onClick={copy} data-focus>
      <Icon name={isCopied ? "check" : "copy"} />
      {isCopied ? "Copied" : label}
    </button>
  ) : (
    <button type="button" class="plain copy" aria-label={isCopied ? "Copied" : label} title={label} onClick={copy}>
      <Icon name={isCopied ? "check" : "copy"} />
    </button>
  );
}

// The clipboard of navigator exists only on pages with TLS and on localhost.
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "hidden";
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
