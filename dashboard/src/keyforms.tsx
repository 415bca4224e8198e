import type { ApiKey } from "@orgd/client";
import { useState } from "preact/hooks";
import { orgd } from "./api";
import { FormDialog } from "./dialog";
import { Foreign, LastUsed, seconds, Time } from "./format";
import { Field, Select } from "./forms";
import { useOwnKey } from "./keynames";
import { can, endSession, startSession } from "./session";
import { scopeTexts, type Scope } from "./scopes";
import { Secret } from "./secret";
import { toast } from "./toast";

interface Props {
  apiKey: ApiKey;
  changed: () => void;
  close: () => void;
}

const day = 86_400_000;

const lifetimes = [
  ["", "Never"],
  ["7", "In 7 days"],
  ["30", "In 30 days"],
  ["90", "In 90 days"],
  ["365", "In a year"],
  ["at", "At a time that you choose"],
] as const;

/** The value of an input of the type datetime-local, in the reader's time zone. */
function localTime(time: Date): string {
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

export function CreateKey({ changed, close }: Omit<Props, "apiKey">) {
  const own = useOwnKey();
  const [description, setDescription] = useState("");
  const [scopes, setScopes] = useState<readonly Scope[]>([]);
  const [lifetime, setLifetime] = useState<string>("");
  const [at, setAt] = useState(() => localTime(new Date(Date.now() + 30 * day)));
  const [created, setCreated] = useState<ApiKey>();
  const offered = scopeTexts.filter((s) => can(s.scope));
  const toggle = (scope: Scope) => setScopes(scopes.includes(scope) ? scopes.filter((s) => s !== scope) : [...scopes, scope]);
  // A key that expires can make only keys that expire no later.
  const choices = own?.expiresAt ? lifetimes.filter(([v]) => v === "at" || (v !== "" && Date.now() + Number(v) * day <= Date.parse(own.expiresAt ?? ""))) : lifetimes;
  const chosen = choices.some(([v]) => v === lifetime) ? lifetime : (choices[0]?.[0] ?? "at");
  const send = async () => {
    const expiresAt = chosen === "" ? undefined : chosen === "at" ? new Date(at) : new Date(Date.now() + Number(chosen) * day);
    const { data } = await orgd.POST("/v1/api-keys", { body: { description, scopes: [...scopes], ...(expiresAt && { expiresAt: expiresAt.toISOString() }) } });
    changed();
    setCreated(data);
  };
  if (created)
    return (
      <Secret title="Your new API key" what="key" secret={created.key} close={close}>
        <p class="quiet">
          <Foreign>{created.description}</Foreign> · {created.expiresAt ? <>expires <Time at={created.expiresAt} as="time" /></> : "never expires"}
        </p>
      </Secret>
    );
  return (
    <FormDialog title="New API key" submit="Create key" ready={description.trim() !== "" && scopes.length > 0 && (chosen !== "at" || at !== "")} send={send} close={close} wide>
      {(error) => (
        <>
          <Field label="Description" value={description} set={setDescription} error={error("description")} maxLength={255} focus placeholder="What the key is for, such as: CRM import" />
          <fieldset class="scopes">
            <legend>Scopes</legend>
            <div class="presets">
              <button type="button" class="button" onClick={() => setScopes(offered.map((s) => s.scope).filter((s) => s.endsWith(":read")))}>
                Only reading
              </button>
              <button type="button" class="button" onClick={() => setScopes(offered.map((s) => s.scope))}>
                Everything that your key may do
              </button>
            </div>
            {offered.map(({ scope, title, text }) => (
              <label key={scope} class="check">
                <input type="checkbox" checked={scopes.includes(scope)} onChange={() => toggle(scope)} />
                <span>
                  <strong>{title}</strong> <code>{scope}</code>
                  <span class="hint">{text}</span>
                </span>
              </label>
            ))}
            {offered.length < scopeTexts.length && <p class="hint">A key can give only the scopes that it has itself, so the others are not offered.</p>}
            {error("scopes") && <p class="field-error">{error("scopes")}</p>}
          </fieldset>
          <Select label="Expires" value={chosen} set={setLifetime} options={choices} hint={own?.expiresAt && "Your own key expires, so the new one must not live longer."} />
          {chosen === "at" && <Field label="Time" type="datetime-local" value={at} set={setAt} min={localTime(new Date())} error={error("expiresAt")} />}
        </>
      )}
    </FormDialog>
  );
}

export function EditKey({ apiKey, changed, close }: Props) {
  const [description, setDescription] = useState(apiKey.description);
  const [expires, setExpires] = useState(apiKey.expiresAt ? "at" : "");
  const [at, setAt] = useState(() => localTime(apiKey.expiresAt ? new Date(apiKey.expiresAt) : new Date(Date.now() + 30 * day)));
  const mayExpire = apiKey.scopes.every(can) && !apiKey.revokedAt && !(apiKey.expiresAt && Date.parse(apiKey.expiresAt) < Date.now());
  const send = async () => {
    const wasAt = apiKey.expiresAt ? localTime(new Date(apiKey.expiresAt)) : "";
    const isChanged = expires === "" ? apiKey.expiresAt !== undefined : at !== wasAt;
    await orgd.PATCH("/v1/api-keys/{apiKeyId}", {
      params: { path: { apiKeyId: apiKey.apiKeyId } },
      body: { description, ...(mayExpire && isChanged && { expiresAt: expires === "" ? null : new Date(at).toISOString() }) },
    });
    toast("The key was saved.");
    changed();
    close();
  };
  return (
    <FormDialog title="Edit the key" submit="Save" ready={description.trim() !== "" && (expires === "" || at !== "")} send={send} close={close}>
      {(error) => (
        <>
          <Field label="Description" value={description} set={setDescription} error={error("description")} maxLength={255} focus />
          {mayExpire && (
            <>
              <Select label="Expires" value={expires} set={setExpires} options={[["", "Never"], ["at", "At a time that you choose"]]} />
              {expires === "at" && <Field label="Time" type="datetime-local" value={at} set={setAt} min={localTime(new Date())} error={error("expiresAt")} />}
            </>
          )}
          <p class="hint">The scopes of a key never change. Create another key for other scopes.</p>
        </>
      )}
    </FormDialog>
  );
}

const overlaps = [0, 3600, 86_400, 604_800, 2_592_000].map((s) => [String(s), s ? `For ${seconds(s)}` : "Not at all: it ends at once"] as const);

export function RotateKey({ apiKey, changed, close }: Props) {
  const [overlap, setOverlap] = useState("86400");
  const [created, setCreated] = useState<ApiKey>();
  const isOwn = useOwnKey()?.apiKeyId === apiKey.apiKeyId;
  const send = async () => {
    const { data } = await orgd.POST("/v1/api-keys/{apiKeyId}/rotate", { params: { path: { apiKeyId: apiKey.apiKeyId } }, body: { overlapSeconds: Number(overlap) } });
    // Go on with the new key: the old one may have ended, and the session with it.
    if (isOwn && data.key) startSession({ key: data.key, scopes: data.scopes });
    changed();
    setCreated(data);
  };
  if (created)
    return (
      <Secret title="The key that replaces it" what="key" secret={created.key} close={close}>
        <p class="quiet">{overlap === "0" ? "The old key has ended." : `The old key works for ${seconds(Number(overlap))} more. Replace it everywhere before then.`}</p>
      </Secret>
    );
  return (
    <FormDialog title="Rotate the key" submit="Rotate" send={send} close={close}>
      <p>
        This creates a key with the same description and scopes as <Foreign class="quoted">{apiKey.description}</Foreign>. The old key ends after the time that you choose.
      </p>
      <Select label="How long the old key keeps working" value={overlap} set={setOverlap} options={overlaps} />
      {isOwn && <p class="notice">This is the key that you are signed in with. You will be signed in with the new one.</p>}
    </FormDialog>
  );
}

export function RevokeKey({ apiKey, changed, close }: Props) {
  const isOwn = useOwnKey()?.apiKeyId === apiKey.apiKeyId;
  const send = async () => {
    await orgd.POST("/v1/api-keys/{apiKeyId}/revoke", { params: { path: { apiKeyId: apiKey.apiKeyId } } });
    if (isOwn) return endSession("You revoked the key that you were signed in with.");
    toast("The key was revoked.");
    changed();
    close();
  };
  return (
    <FormDialog title="Revoke the key?" submit="Revoke" isDangerous send={send} close={close}>
      <p>
        <Foreign class="quoted">{apiKey.description}</Foreign> (<code>{apiKey.hint}</code>) ends at once, and cannot be made valid again. What still uses it fails.{" "}
        {apiKey.lastUsedAt ? (
          <>
            It was last used <LastUsed at={apiKey.lastUsedAt} />.
          </>
        ) : (
          !isOwn && "No use of it is recorded, except perhaps in the last minutes."
        )}
      </p>
      {isOwn && <p class="notice">This is the key that you are signed in with. You will be signed out.</p>}
    </FormDialog>
  );
}
