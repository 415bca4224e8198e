import { useState } from "preact/hooks";
import { Dialog } from "./dialog";
import { Foreign } from "./format";
import { Field, Select } from "./forms";
import { Icon } from "./icons";
import { navigate, useRoute } from "./router";

/** What the list of organizations shows, as the address has it. */
export interface OrgFilters {
  q: string;
  state: "" | "active" | "deactivated";
  member: string;
  external: string;
  metadata: [key: string, value: string][];
}

const prefix = "metadata.";

export function filtersOf(query: URLSearchParams): OrgFilters {
  const state = query.get("state");
  return {
    q: query.get("q") ?? "",
    state: state === "active" || state === "deactivated" ? state : "",
    member: query.get("member") ?? "",
    external: query.get("external") ?? "",
    metadata: [...query].filter(([name]) => name.startsWith(prefix)).map(([name, value]) => [name.slice(prefix.length), value]),
  };
}

/** The filters as parameters of the API. */
export function queryOf(filters: OrgFilters) {
  return {
    ...(filters.q && { orgName: filters.q }),
    ...(filters.state && { isActive: filters.state === "active" }),
    ...(filters.member && { userId: filters.member }),
    ...(filters.external && { externalId: filters.external }),
    ...(filters.metadata.length && { metadata: Object.fromEntries(filters.metadata) }),
  };
}

export const filterCount = (f: OrgFilters): number => [f.q, f.state, f.member, f.external].filter(Boolean).length + f.metadata.length;

function addressOf(filters: OrgFilters, order: string | null): string {
  const query = new URLSearchParams();
  for (const name of ["q", "state", "member", "external"] as const) if (filters[name]) query.set(name, filters[name]);
  for (const [key, value] of filters.metadata) query.set(prefix + key, value);
  if (order) query.set("order", order);
  const search = query.toString();
  return `/organizations${search && `?${search}`}`;
}

/** The filters that are set, and a dialog to change them. */
export function Filters({ filters }: { filters: OrgFilters }) {
  const { query } = useRoute();
  const [isOpen, setOpen] = useState(false);
  const apply = (change: Partial<OrgFilters>) => navigate(addressOf({ ...filters, ...change }, query.get("order")));
  const chips: [key: string, label: string, value: string, without: Partial<OrgFilters>][] = [];
  if (filters.state) chips.push(["state", "State", filters.state, { state: "" }]);
  if (filters.member) chips.push(["member", "Member", filters.member, { member: "" }]);
  if (filters.external) chips.push(["external", "External id", filters.external, { external: "" }]);
  for (const [key, value] of filters.metadata) chips.push([prefix + key, key, value || "empty", { metadata: filters.metadata.filter(([k]) => k !== key) }]);
  return (
    <>
      <button type="button" class="button" onClick={() => setOpen(true)}>
        <Icon name="filter" /> Filter
      </button>
      {chips.map(([key, label, value, without]) => (
        <span key={key} class="chip filter">
          <bdi>{label}</bdi>: <Foreign class="cut">{value}</Foreign>
          <button type="button" class="plain" aria-label={`Remove the filter ${label}`} onClick={() => apply(without)}>
            <Icon name="close" />
          </button>
        </span>
      ))}
      {isOpen && <FilterDialog filters={filters} apply={apply} close={() => setOpen(false)} />}
    </>
  );
}

function FilterDialog({ filters, apply, close }: { filters: OrgFilters; apply: (change: Partial<OrgFilters>) => void; close: () => void }) {
  const [state, setState] = useState<string>(filters.state);
  const [member, setMember] = useState(filters.member);
  const [external, setExternal] = useState(filters.external);
  const [key, setKey] = useState("");
  const [value, setValue] = useState("");
  const [problem, setProblem] = useState<string>();
  const submit = (event: Event) => {
    event.preventDefault();
    const wrongKey = /[[\]]/.test(key) ? "Pairs whose key has a bracket cannot be found by a filter." : !key && value ? "Enter the key of the pair too." : undefined;
    if (wrongKey) return setProblem(wrongKey);
    close();
    apply({
      state: state as OrgFilters["state"],
      member: member.trim(),
      external: external.trim(),
      metadata: key ? [...filters.metadata.filter(([k]) => k !== key), [key, value]] : filters.metadata,
    });
  };
  return (
    <Dialog title="Filter organizations" close={close}>
      <form onSubmit={submit} noValidate>
        <div class="dialog-body">
          <Select label="State" value={state} set={setState} options={[["", "Any"], ["active", "Active"], ["deactivated", "Deactivated"]]} />
          <fieldset class="row">
            <legend>Metadata</legend>
            <Field label="Key" value={key} set={setKey} error={problem} maxLength={100} placeholder="region" isCode />
            <Field label="Value" value={value} set={setValue} maxLength={1000} placeholder="eu-north" isCode />
          </fieldset>
          <Field label="Member" value={member} set={setMember} hint="The exact id of a user who is a member." maxLength={255} isCode />
          <Field label="External id" value={external} set={setExternal} hint="The exact id in your own system." maxLength={255} isCode />
        </div>
        <footer>
          <button type="button" class="button" onClick={close}>
            Cancel
          </button>
          <button type="submit" class="button primary">
            Apply
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
