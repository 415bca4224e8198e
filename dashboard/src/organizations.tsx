import type { Organization } from "@orgd/client";
import { useEffect, useRef, useState } from "preact/hooks";
import { orgd } from "./api";
import { ErrorBox } from "./errors";
import { count, Foreign, foundText, shortId, Time, total } from "./format";
import { CopyButton, Select } from "./forms";
import { Icon } from "./icons";
import { Popover } from "./menu";
import { CreateOrganization } from "./orgcreate";
import { exported, exportOrganizations, stopExport } from "./orgexport";
import { filterCount, Filters, filtersOf, queryOf, type OrgFilters } from "./orgfilters";
import { useQuery } from "./query";
import { Link, setQuery, useRoute, navigate } from "./router";
import { can } from "./session";
import { Announcement, Badge, Empty } from "./states";
import { useStore } from "./store";
import { Pager, readLinks, Table, type Column } from "./table";
import { Title } from "./title";

const pageSize = 25;
const orders = [
  ["-createdAt", "Newest first"],
  ["createdAt", "Oldest first"],
  ["orgName", "Name, A to Z"],
  ["-orgName", "Name, Z to A"],
] as const;
type Order = (typeof orders)[number][0];

export function Organizations() {
  const { query } = useRoute();
  const [isCreating, setCreating] = useState(false);
  const filters = filtersOf(query);
  const order = orders.find(([o]) => o === query.get("order"))?.[0] ?? "-createdAt";
  const cursor = query.get("cursor") ?? undefined;
  const before = cursor ? undefined : (query.get("before") ?? undefined);
  const list = useOrganizations(filters, order, cursor, before);
  const found = useTotal(filters, order);
  const columns = useColumns(filters);

  const page = list.data;
  const organizations = page?.organizations;
  const hasFilters = filterCount(filters) > 0;
  const go = (change: { cursor?: string | undefined; before?: string | undefined }) => {
    setQuery({ cursor: undefined, before: undefined, ...change });
    document.querySelector(".table-frame")?.scrollIntoView({ block: "nearest" });
  };

  return (
    <>
      <div class="page-head">
        <Title title="Organizations" />
        <span class="total">{found !== undefined && found}</span>
        {can("orgs:write") && (
          <button type="button" class="button primary" onClick={() => setCreating(true)}>
            <Icon name="plus" /> New organization
          </button>
        )}
      </div>
      <div class="toolbar">
        <Search value={filters.q} />
        <Filters filters={filters} />
        <Select label="Order" isLabelHidden class="only-narrow" value={order} set={(value) => setQuery({ order: value, cursor: undefined, before: undefined })} options={orders} />
        <span class="grow" />
        <Popover label="Columns" icon="columns" text="Columns">
          {() => <ColumnChoice {...columns} />}
        </Popover>
        <Export filters={filters} order={order} />
      </div>
      <Announcement>{!list.isLoading && organizations && (organizations.length ? foundText(found ?? count(organizations.length), "organization") : "No organization found")}</Announcement>
      {list.error && !page ? (
        <ErrorBox error={list.error} what="the organizations" reload={() => (list.error && "code" in list.error && list.error.code === "invalid_cursor" ? go({}) : list.reload())} />
      ) : organizations?.length === 0 && (cursor || before) ? (
        <Empty title="Nothing is left on this page" action={<button type="button" class="button" onClick={() => go({})}>Go to the first page</button>} />
      ) : organizations?.length === 0 ? (
        hasFilters ? (
          <Empty title="No organization matches" action={<Link to="/organizations" class="button">Clear search and filters</Link>}>
            Try fewer words, or remove a filter.
          </Empty>
        ) : (
          <Empty title="No organizations yet" action={can("orgs:write") && <button type="button" class="button primary" onClick={() => setCreating(true)}>Create the first one</button>}>
            Organizations that you create here or through the API appear in this table.
          </Empty>
        )
      ) : (
        <>
          <Table
            label="Organizations"
            columns={columns.shown}
            entries={organizations}
            id={(org) => org.orgId}
            order={order}
            sort={(value) => setQuery({ order: value, cursor: undefined, before: undefined })}
            isStale={list.isLoading}
            expected={12}
          />
          <Pager prev={page?.prev ? () => go({ before: page.prev }) : undefined} next={page?.next ? () => go({ cursor: page.next }) : undefined} />
        </>
      )}
      {isCreating && (
        <CreateOrganization
          close={() => setCreating(false)}
          created={(org) => navigate(`/organizations/${org.orgId}`)}
        />
      )}
    </>
  );
}

function Export({ filters, order }: { filters: OrgFilters; order: Order }) {
  const read = useStore(exported);
  return read === undefined ? (
    <button type="button" class="button" title="Save what the filters choose, one JSON object on each line" onClick={() => exportOrganizations(queryOf(filters), order)}>
      <Icon name="download" /> Export
    </button>
  ) : (
    <button type="button" class="button" onClick={stopExport}>
      <Icon name="close" /> Stop export ({count(read)})
    </button>
  );
}

// The last call of the list. The total is asked for after it, so that the results come first.
let listing: Promise<unknown> = Promise.resolve();

function useOrganizations(filters: OrgFilters, order: Order, cursor: string | undefined, before: string | undefined) {
  const query = { ...queryOf(filters), order, limit: pageSize, ...(cursor && { cursor }), ...(before && { before }) };
  return useQuery(
    `orgs ${JSON.stringify(query)}`,
    async (signal) => {
      const call = orgd.GET("/v1/orgs", { params: { query }, signal });
      listing = call.catch(() => {});
      const { data, response } = await call;
      return { organizations: data.organizations, ...readLinks(response.headers.get("Link")) };
    },
    { keeps: true },
  );
}

// The number does not depend on the page, so paging does not count again.
function useTotal(filters: OrgFilters, order: Order): string | undefined {
  const query = { ...queryOf(filters), order, limit: 1, total: true };
  const { data } = useQuery(
    `total ${JSON.stringify(query)}`,
    async (signal) => {
      await listing;
      return total((await orgd.GET("/v1/orgs", { params: { query }, signal })).response.headers.get("Orgd-Total"));
    },
    { keeps: true },
  );
  return data;
}

/** The search field. The address follows what is typed, and the list follows the address. */
function Search({ value }: { value: string }) {
  const [text, setText] = useState(value);
  const sent = useRef(value);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => {
    if (value !== sent.current) setText(value); // the address changed by itself
    sent.current = value;
  }, [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const type = (typed: string) => {
    setText(typed);
    clearTimeout(timer.current);
    const wanted = typed.trim();
    timer.current = setTimeout(() => {
      if (wanted === sent.current) return;
      sent.current = wanted;
      setQuery({ q: wanted, cursor: undefined, before: undefined }, { replace: true });
    }, 100);
  };
  return (
    <div class="search">
      <Icon name="search" />
      <input
        type="search"
        aria-label="Search organizations by name"
        placeholder="Search by name"
        value={text}
        maxLength={255}
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => type(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          if (text) type("");
          else event.currentTarget.blur();
        }}
      />
      <kbd aria-hidden="true">/</kbd>
    </div>
  );
}

const allColumns: (Column<Organization> & { isFixed?: boolean; isHidden?: boolean })[] = [
  {
    name: "name",
    title: "Name",
    isFixed: true,
    class: "main",
    orders: { first: "orgName", second: "-orgName", ascending: "orgName" },
    cell: (org) => (
      <Link to={`/organizations/${org.orgId}`}>
        <Foreign class="cut">{org.orgName}</Foreign>
      </Link>
    ),
  },
  { name: "state", title: "State", isObvious: true, cell: (org) => <State isActive={org.isActive} /> },
  { name: "members", title: "Members", class: "number", cell: (org) => count(org.userCount) },
  { name: "created", title: "Created", orders: { first: "-createdAt", second: "createdAt", ascending: "createdAt" }, cell: (org) => <Time at={org.createdAt} /> },
  { name: "updated", title: "Updated", isHidden: true, cell: (org) => <Time at={org.updatedAt} /> },
  { name: "external", title: "External id", cell: (org) => (org.externalId ? <Foreign class="cut mono">{org.externalId}</Foreign> : <span class="none dash">–</span>) },
  { name: "metadata", title: "Metadata", class: "wide-only", cell: (org) => <Pairs metadata={org.metadata} /> },
  {
    name: "id",
    title: "Id",
    isHidden: true,
    cell: (org) => (
      <span class="with-copy">
        <code title={org.orgId}>{shortId(org.orgId)}</code>
        <CopyButton text={org.orgId} label="Copy organization id" />
      </span>
    ),
  },
];

export function State({ isActive }: { isActive: boolean }) {
  return isActive ? <Badge tone="good">Active</Badge> : <Badge tone="quiet">Deactivated</Badge>;
}

function Pairs({ metadata = {} }: { metadata?: Organization["metadata"] }) {
  const pairs = Object.entries(metadata);
  if (!pairs.length) return <span class="none">–</span>;
  const shown = pairs.slice(0, 2);
  return (
    <span class="pairs" title={pairs.map(([key, value]) => `${key}: ${value}`).join("\n")}>
      {shown.map(([key, value]) => (
        <span key={key} class="pair">
          <bdi>{key}</bdi> <bdi class="value">{value}</bdi>
        </span>
      ))}
      {pairs.length > shown.length && <span class="none">+{pairs.length - shown.length}</span>}
    </span>
  );
}

const columnsName = "orgd.columns";

function useColumns(filters: OrgFilters) {
  const [hidden, setHidden] = useState<string[]>(() => {
    try {
      const stored: unknown = JSON.parse(localStorage.getItem(columnsName) ?? "null");
      if (Array.isArray(stored)) return stored.map(String);
    } catch {
      // no storage
    }
    return allColumns.filter((c) => c.isHidden).map((c) => c.name);
  });
  const toggle = (name: string) => {
    const next = hidden.includes(name) ? hidden.filter((n) => n !== name) : [...hidden, name];
    setHidden(next);
    try {
      localStorage.setItem(columnsName, JSON.stringify(next));
    } catch {
      // The choice lasts until the page is reloaded.
    }
  };
  const shown: Column<Organization>[] = allColumns.filter((c) => c.isFixed || !hidden.includes(c.name));
  if (filters.member) {
    shown.splice(2, 0, {
      name: "roles",
      title: "Member’s roles",
      cell: (org) => (org.membership?.roles?.length ? org.membership.roles.map((role) => <span key={role} class="chip">{role}</span>) : <span class="none">none</span>),
    });
  }
  return { hidden, toggle, shown };
}

function ColumnChoice({ hidden, toggle }: { hidden: string[]; toggle: (name: string) => void }) {
  return (
    <fieldset>
      <legend>Columns</legend>
      {allColumns
        .filter((c) => !c.isFixed)
        .map((c) => (
          <label key={c.name} class="check">
            <input type="checkbox" checked={!hidden.includes(c.name)} onChange={() => toggle(c.name)} />
            {c.title}
          </label>
        ))}
    </fieldset>
  );
}
