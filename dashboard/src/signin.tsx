import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { OrgdError, readKey } from "./api";
import { hasDocs } from "./docs";
import { asFailure, ErrorText, type Failure } from "./errors";
import { Field } from "./forms";
import { endReason, startSession } from "./session";
import { useStore } from "./store";

export function SignIn({ version }: { version: string }) {
  const reason = useStore(endReason);
  const [key, setKey] = useState("");
  const [problem, setProblem] = useState<string | Failure>();
  const [isBusy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);

  // Before the browser paints, because the old title may be a name.
  useLayoutEffect(() => {
    document.title = "Sign in · orgd";
    form.current?.querySelector("input")?.focus();
  }, []);

  const submit = async (event: Event) => {
    event.preventDefault();
    const entered = key.trim();
    if (isBusy) return;
    if (!entered) return setProblem("Enter an API key.");
    setBusy(true);
    setProblem(undefined);
    try {
      startSession({ key: entered, scopes: (await readKey(entered)).scopes });
    } catch (error) {
      const isWrong = error instanceof OrgdError && (error.status === 401 || error.status === 400);
      setProblem(isWrong || error instanceof TypeError ? "This key does not work. Check that it is complete, that it is for this server, and that it has neither expired nor been revoked." : asFailure(error));
      setBusy(false);
      form.current?.querySelector("input")?.select();
    }
  };

  return (
    <main class="sign-in">
      <form ref={form} onSubmit={submit} noValidate>
        <p class="brand">orgd</p>
        <h1>Sign in</h1>
        {reason && (
          <p class="notice" role="alert">
            {reason}
          </p>
        )}
        <Field label="API key" type="password" value={key} set={setKey} isCode error={typeof problem === "string" ? problem : undefined} hint="It stays in this tab until you sign out or close it." />
        <div role="alert">{typeof problem === "string" ? <span class="hidden">{problem}</span> : problem && <ErrorText error={problem} />}</div>
        <button type="submit" class="button primary" aria-busy={isBusy}>
          {isBusy ? "Checking the key…" : "Sign in"}
        </button>
        <p class="hint">
          You see and change only what the key’s scopes allow. No key yet? <code>make run</code> and <code>server dev</code> print one, and <code>server keys create</code> makes one
          {hasDocs && (
            <>
              {" "}
              (<a href="/docs/guides/keys#a-first-key">how</a>)
            </>
          )}
          .
        </p>
      </form>
      <footer>
        orgd {version}
        {hasDocs && (
          <>
            {" "}
            · <a href="/docs">API reference</a> · <a href="/docs/guides">Guides</a>
          </>
        )}
      </footer>
    </main>
  );
}
