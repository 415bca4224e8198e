import type { Webhook } from "@orgd/client";
import { useState } from "preact/hooks";
import { orgd } from "./api";
import { FormDialog } from "./dialog";
import { eventTypes, typeText } from "./events";
import { GuideLink } from "./docs";
import { Foreign, seconds } from "./format";
import { Field, Select } from "./forms";
import { Secret } from "./secret";
import { toast } from "./toast";

const urlHint = "Where the events go. It begins with https:// and its host is on the internet, unless the operator allows others.";

function TypeChoice({ types, set, error }: { types: readonly string[] | undefined; set: (types: readonly string[] | undefined) => void; error: string | undefined }) {
  const toggle = (type: string) => set(types?.includes(type) ? types.filter((t) => t !== type) : [...(types ?? []), type]);
  return (
    <fieldset>
      <legend>Events</legend>
      <div class="radios">
        <label class="check">
          <input type="radio" name="which" checked={types === undefined} onChange={() => set(undefined)} />
          All, also those of later releases
        </label>
        <label class="check">
          <input type="radio" name="which" checked={types !== undefined} onChange={() => set(types ?? [])} />
          Only these types
        </label>
      </div>
      {types && (
        <div class="types">
          {[...new Set<string>([...eventTypes, ...types])].map((type) => (
            <label key={type} class="check">
              <input type="checkbox" checked={types.includes(type)} onChange={() => toggle(type)} />
              <span>
                {typeText(type)} <code>{type}</code>
              </span>
            </label>
          ))}
        </div>
      )}
      {error && <p class="field-error">{error}</p>}
    </fieldset>
  );
}

export function CreateWebhook({ created, close }: { created: () => void; close: (hook?: Webhook) => void }) {
  const [url, setUrl] = useState("");
  const [description, setDescription] = useState("");
  const [types, setTypes] = useState<readonly string[]>();
  const [hook, setHook] = useState<Webhook>();
  const send = async () => {
    const { data } = await orgd.POST("/v1/webhooks", { body: { url: url.trim(), description, ...(types && { types: [...types] }) } });
    created();
    setHook(data);
  };
  if (hook)
    return (
      <Secret title="Your new webhook" what="secret" secret={hook.secret} close={() => close(hook)}>
        <p class="quiet">
          Your server <GuideLink to="webhooks#receive">verifies the signature</GuideLink> of each message with this secret. Send a test next, to see whether messages arrive.
        </p>
      </Secret>
    );
  return (
    <FormDialog title="New webhook" submit="Create webhook" ready={url.trim() !== "" && description.trim() !== "" && types?.length !== 0} send={send} close={() => close()} wide>
      {(error) => (
        <>
          <Field label="URL" type="url" value={url} set={setUrl} error={error("url")} maxLength={2048} isCode focus placeholder="https://example.com/orgd" hint={urlHint} />
          <Field label="Description" value={description} set={setDescription} error={error("description")} maxLength={255} placeholder="What the webhook is for, such as: CRM" />
          <TypeChoice types={types} set={setTypes} error={error("types")} />
        </>
      )}
    </FormDialog>
  );
}

interface Props {
  hook: Webhook;
  changed: (hook: Webhook) => void;
  close: () => void;
}

export function EditWebhook({ hook, changed, close }: Props) {
  const [url, setUrl] = useState(hook.url);
  const [description, setDescription] = useState(hook.description);
  const [types, setTypes] = useState<readonly string[] | undefined>(hook.types);
  const send = async () => {
    const { data } = await orgd.PATCH("/v1/webhooks/{webhookId}", {
      params: { path: { webhookId: hook.webhookId } },
      body: { url: url.trim(), description, types: types ? [...types] : null },
    });
    toast("The webhook was saved.");
    changed(data);
    close();
  };
  return (
    <FormDialog title="Edit the webhook" submit="Save" ready={url.trim() !== "" && description.trim() !== "" && types?.length !== 0} send={send} close={close} wide>
      {(error) => (
        <>
          <Field label="URL" type="url" value={url} set={setUrl} error={error("url")} maxLength={2048} isCode hint={urlHint} />
          <Field label="Description" value={description} set={setDescription} error={error("description")} maxLength={255} />
          <TypeChoice types={types} set={setTypes} error={error("types")} />
        </>
      )}
    </FormDialog>
  );
}

const overlaps = [0, 3600, 86_400, 604_800].map((s) => [String(s), s ? `For ${seconds(s)}` : "Not at all: it stops within a second"] as const);

export function RotateSecret({ hook, changed, close }: Props) {
  const [overlap, setOverlap] = useState("86400");
  const [secret, setSecret] = useState<{ value: string | undefined }>();
  const send = async () => {
    const { data } = await orgd.POST("/v1/webhooks/{webhookId}/rotate-secret", { params: { path: { webhookId: hook.webhookId } }, body: { overlapSeconds: Number(overlap) } });
    const { secret: value, ...rest } = data;
    changed(rest);
    setSecret({ value });
  };
  if (secret)
    return (
      <Secret title="The new secret" what="secret" secret={secret.value} close={close}>
        <p class="quiet">{overlap === "0" ? "The old secret no longer signs." : `For ${seconds(Number(overlap))}, each message has a signature of both secrets. Change the secret of your server in that time.`}</p>
      </Secret>
    );
  return (
    <FormDialog title="Rotate the secret" submit="Rotate" send={send} close={close}>
      <p>
        <Foreign class="quoted">{hook.description}</Foreign> gets a new secret, which is shown once.
      </p>
      <Select label="How long the old secret signs too" value={overlap} set={setOverlap} options={overlaps} />
    </FormDialog>
  );
}

export function ReplayWebhook({ hook, changed, close }: Props) {
  const [from, setFrom] = useState(String(Math.max(1, hook.position)));
  const position = /^\d{1,15}$/.test(from.trim()) ? Number(from) : 0;
  const send = async () => {
    const { data } = await orgd.POST("/v1/webhooks/{webhookId}/replay", { params: { path: { webhookId: hook.webhookId } }, body: { fromPosition: position } });
    toast("The webhook continues from there.");
    changed(data);
    close();
  };
  return (
    <FormDialog title="Replay events" submit="Replay" ready={position > 0} send={send} close={close}>
      {(error) => (
        <>
          <p>The event at this position is the next one that the webhook gets, and all later ones follow, also those that have already arrived. A position after its own skips events.</p>
          <Field label="From position" type="number" min="1" value={from} set={setFrom} error={error("fromPosition")} focus hint={`It is at position ${hook.position.toLocaleString("en")} now. The attempts of the webhook show the positions of their events.`} />
        </>
      )}
    </FormDialog>
  );
}

export function DeleteWebhook({ hook, deleted, close }: { hook: Webhook; deleted: () => void; close: () => void }) {
  const send = async () => {
    await orgd.DELETE("/v1/webhooks/{webhookId}", { params: { path: { webhookId: hook.webhookId } } });
    toast("The webhook was deleted.");
    deleted();
  };
  return (
    <FormDialog title="Delete the webhook?" submit="Delete" isDangerous send={send} close={close}>
      <p>
        <Foreign class="quoted">{hook.description}</Foreign>, its secret and its attempts are deleted. Your server gets no more events from it. To stop for a while, disable it instead.
      </p>
    </FormDialog>
  );
}
