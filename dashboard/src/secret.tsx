import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Dialog } from "./dialog";
import { CopyButton } from "./forms";

interface SecretProps {
  title: string;
  what: string; // "key" or "secret"
  secret: string | undefined;
  children?: ComponentChildren;
  close: () => void;
}

/** Shows a secret once. It warns before it closes if nobody has copied the secret. */
export function Secret({ title, what, secret, children, close }: SecretProps) {
  const [isCopied, setCopied] = useState(false);
  const [isWarned, setWarned] = useState(false);
  const mayClose = () => {
    if (isCopied || isWarned || !secret) return true;
    setWarned(true);
    return false;
  };
  return (
    <Dialog title={title} close={close} mayClose={mayClose} wide>
      <div class="dialog-body">
        {secret ? (
          <>
            <p>
              Copy the {what} now and store it where your secrets are. <strong>It is not shown again.</strong>
            </p>
            <p class="secret">
              <code>{secret}</code>
              <CopyButton text={secret} label={`Copy the ${what}`} isPrimary onCopied={() => setCopied(true)} />
            </p>
          </>
        ) : (
          <p class="notice">The first response was lost, and the {what} is not stored, so it cannot be shown. Rotate it to get a new one.</p>
        )}
        {children}
        <p role="alert" class="field-error">
          {isWarned && !isCopied && `You have not copied the ${what}. Close again to leave without it.`}
        </p>
      </div>
      <footer>
        <button type="button" class="button" onClick={close}>
          Done, I have stored it
        </button>
      </footer>
    </Dialog>
  );
}
