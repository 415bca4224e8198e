import type { Organization } from "@orgd/client";
import { useState } from "preact/hooks";
import { orgd } from "./api";
import { FormDialog } from "./dialog";
import { Field } from "./forms";
import { Icon } from "./icons";
import { forget } from "./query";
import { toast } from "./toast";

export function CreateOrganization({ close, created }: { close: () => void; created: (org: Organization) => void }) {
  const [name, setName] = useState("");
  const [external, setExternal] = useState("");
  const [pairs, setPairs] = useState<[string, string][]>([]);
  const set = (at: number, pair: [string, string]) => setPairs(pairs.map((p, i) => (i === at ? pair : p)));
  const send = async () => {
    const metadata = Object.fromEntries(pairs.filter(([key]) => key));
    const { data } = await orgd.POST("/v1/orgs", {
      body: { orgName: name, ...(external.trim() && { externalId: external.trim() }), ...(Object.keys(metadata).length && { metadata }) },
    });
    forget("orgs ");
    forget("total ");
    toast("The organization was created.");
    close();
    created(data);
  };
  return (
    <FormDialog title="New organization" submit="Create organization" ready={name.trim() !== ""} send={send} close={close}>
      {(error) => (
        <>
          <Field label="Name" value={name} set={setName} error={error("orgName")} maxLength={255} focus required />
          <Field label="External id (optional)" value={external} set={setExternal} error={error("externalId")} maxLength={255} isCode hint="The organization’s id in your own system. It must be unique." />
          <fieldset class="pairs-edit">
            <legend>Metadata (optional)</legend>
            {pairs.map(([key, value], i) => (
              <div key={i} class="row">
                <Field label="Key" value={key} set={(k) => set(i, [k, value])} maxLength={100} isCode error={key ? error(`metadata.${key}`) : undefined} />
                <Field label="Value" value={value} set={(v) => set(i, [key, v])} maxLength={1000} isCode />
                <button type="button" class="plain" aria-label={`Remove the pair ${key || i + 1}`} onClick={() => setPairs(pairs.filter((_, at) => at !== i))}>
                  <Icon name="close" />
                </button>
              </div>
            ))}
            {pairs.length < 50 && (
              <button type="button" class="button" onClick={() => setPairs([...pairs, ["", ""]])}>
                <Icon name="plus" /> Add a pair
              </button>
            )}
          </fieldset>
        </>
      )}
    </FormDialog>
  );
}
