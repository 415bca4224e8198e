import type { Organization } from "@orgd/client";
import { useState } from "preact/hooks";
import { orgd } from "./api";
import { pairLabel, type Changes } from "./conflict";
import { Foreign, Time } from "./format";
import { CopyButton, Field } from "./forms";
import { FormDialog } from "./dialog";
import { Icon } from "./icons";
import { InlineEdit } from "./inline";
import { KeyName } from "./keynames";
import { can } from "./session";

export function Details({ org, changes }: { org: Organization; changes: Changes }) {
  const mayWrite = can("orgs:write");
  const setExternal = (value: string, base: Organization) =>
    changes.apply(base, {
      yours: { "External id": value.trim() || undefined },
      run: async (revision) => (await orgd.PATCH("/v1/orgs/{orgId}", { params: { path: { orgId: org.orgId } }, body: { externalId: value.trim() || null, revision } })).data,
      done: value.trim() ? "The external id was saved." : "The external id was removed.",
    });
  return (
    <div class="columns">
      <section aria-labelledby="metadata-title" class="card grow">
        <Metadata org={org} changes={changes} />
      </section>
      <section aria-labelledby="details-title" class="card side-card">
        <h2 id="details-title">Details</h2>
        <dl class="details">
          <dt>Id</dt>
          <dd class="with-copy">
            <code class="wrap">{org.orgId}</code>
            <CopyButton text={org.orgId} label="Copy organization id" />
          </dd>
          <dt>External id</dt>
          <dd>
            <InlineEdit label="External id" value={org.externalId ?? ""} base={org} save={mayWrite ? setExternal : undefined} maxLength={255} isCode mayBeEmpty>
              {org.externalId ? <Foreign class="wrap mono">{org.externalId}</Foreign> : <span class="none">none</span>}
            </InlineEdit>
          </dd>
          <dt>Created</dt>
          <dd>
            <Time at={org.createdAt} as="time" />
            {org.createdByApiKeyId && (
              <span class="by">
                with key <KeyName id={org.createdByApiKeyId} />
              </span>
            )}
            {org.createdByUserId && (
              <span class="by">
                for <Foreign class="cut mono">{org.createdByUserId}</Foreign>
              </span>
            )}
          </dd>
          <dt>Last changed</dt>
          <dd>
            <Time at={org.updatedAt} as="time" />
          </dd>
          <dt>Revision</dt>
          <dd>{org.revision}</dd>
        </dl>
      </section>
    </div>
  );
}

function Metadata({ org, changes }: { org: Organization; changes: Changes }) {
  const [isAdding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<string>();
  const mayWrite = can("orgs:write");
  const pairs = Object.entries(org.metadata ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const set = (key: string, value: string | null, base: Organization) =>
    changes.apply(base, {
      yours: { [pairLabel(key)]: value ?? undefined },
      run: async (revision) =>
        (await orgd.PATCH("/v1/orgs/{orgId}/metadata", { params: { path: { orgId: org.orgId }, query: { revision } }, body: { [key]: value } })).data,
      done: value === null ? "The pair was removed." : "The pair was saved.",
    });
  return (
    <>
      <div class="card-head">
        <h2 id="metadata-title">Metadata</h2>
        <span class="none">{pairs.length ? `${pairs.length} of 50` : ""}</span>
        {mayWrite && pairs.length < 50 && (
          <button type="button" class="button" onClick={() => setAdding(true)}>
            <Icon name="plus" /> Add a pair
          </button>
        )}
      </div>
      {pairs.length ? (
        <ul class="pair-list">
          {pairs.map(([key, value]) => (
            <li key={key}>
              <Foreign class="wrap pair-key">{key}</Foreign>
              <InlineEdit label={`Value of ${key}`} value={value} base={org} save={mayWrite ? (v, base) => set(key, v, base) : undefined} maxLength={1000} mayBeEmpty isCode>
                {value ? <Foreign class="wrap mono">{value}</Foreign> : <span class="none">(empty)</span>}
              </InlineEdit>
              {mayWrite && (
                <button type="button" class="plain remove" aria-label={`Remove ${key}`} title={`Remove ${key}`} onClick={() => setRemoving(key)}>
                  <Icon name="close" />
                </button>
              )}
            </li>
          ))}
        </ul>
      ) : (
        <p class="quiet">No metadata. {mayWrite ? "Add pairs such as plan or region, and find organizations by them." : ""}</p>
      )}
      {isAdding && <AddPair taken={new Set(Object.keys(org.metadata ?? {}))} save={(key, value) => set(key, value, org)} close={() => setAdding(false)} />}
      {removing !== undefined && (
        <FormDialog
          title="Remove the pair?"
          submit="Remove"
          isDangerous
          close={() => setRemoving(undefined)}
          send={async () => {
            if (await set(removing, null, org)) setRemoving(undefined);
          }}
        >
          <p>
            <Foreign class="quoted">{removing}</Foreign> and its value are removed from the organization.
          </p>
        </FormDialog>
      )}
    </>
  );
}

function AddPair({ taken, save, close }: { taken: Set<string>; save: (key: string, value: string) => Promise<boolean>; close: () => void }) {
  const [key, setKey] = useState("");
  const [value, setValue] = useState("");
  const isTaken = taken.has(key);
  return (
    <FormDialog
      title="Add a pair"
      submit="Add"
      ready={key !== "" && !isTaken}
      close={close}
      send={async () => {
        if (await save(key, value)) close();
      }}
    >
      {(error) => (
        <>
          <Field label="Key" value={key} set={setKey} maxLength={100} isCode focus error={isTaken ? "There is a pair with this key. Edit its value instead." : error(`metadata.${key}`)} />
          <Field label="Value" value={value} set={setValue} maxLength={1000} isCode />
        </>
      )}
    </FormDialog>
  );
}
