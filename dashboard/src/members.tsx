import type { Member, Organization } from "@orgd/client";
import { useState } from "preact/hooks";
import { orgd } from "./api";
import { FormDialog, type FieldErrors } from "./dialog";
import { ErrorBox } from "./errors";
import { count, Foreign, foundText, Time, total } from "./format";
import { CopyButton, Field, Select } from "./forms";
import { Icon } from "./icons";
import { Menu } from "./menu";
import { forget, useQuery } from "./query";
import { setQuery, useRoute } from "./router";
import { can } from "./session";
import { Announcement, Empty } from "./states";
import { Pager, readLinks, Table, type Column } from "./table";
import { toast } from "./toast";

const orders = [
  ["-addedAt", "Last added first"],
  ["addedAt", "First added first"],
  ["userId", "User id"],
] as const;

const first = { cursor: undefined, before: undefined };

export function Members({ org, changed }: { org: Organization; changed: () => void }) {
  const { query } = useRoute();
  const [dialog, setDialog] = useState<{ kind: "add" } | { kind: "roles" | "remove"; member: Member }>();
  const order = orders.find(([o]) => o === query.get("order"))?.[0] ?? "-addedAt";
  const [user, role] = [query.get("user") ?? "", query.get("role") ?? ""];
  const [cursor, before] = [query.get("cursor") ?? "", query.get("before") ?? ""];
  const parameters = { order, limit: 50, ...(user && { userId: [user] }), ...(role && { role }), ...(cursor ? { cursor } : before && { before }) };
  const list = useQuery(
    `members ${org.orgId} ${JSON.stringify(parameters)}`,
    async (signal) => {
      const path = { orgId: org.orgId };
      const { data, response } = await orgd.GET("/v1/orgs/{orgId}/users", { params: { path, query: { ...parameters, total: true } }, signal });
      return { members: data.users, total: total(response.headers.get("Orgd-Total")), ...readLinks(response.headers.get("Link")) };
    },
    { keeps: true },
  );
  const page = list.data;
  const mayWrite = can("members:write");
  const mayAdd = mayWrite && org.isActive;
  const refresh = () => {
    setDialog(undefined);
    forget(`members ${org.orgId}`);
    list.reload();
    changed();
  };
  const columns: Column<Member>[] = [
    {
      name: "user",
      title: "User",
      class: "main",
      cell: (m) => (
        <span class="with-copy">
          <Foreign class="cut mono">{m.userId}</Foreign>
          <CopyButton text={m.userId} label="Copy user id" />
        </span>
      ),
      orders: { first: "userId", second: "userId", ascending: "userId" },
    },
    { name: "roles", title: "Roles", cell: (m) => <Roles roles={m.roles} /> },
    { name: "added", title: "Added", cell: (m) => <Time at={m.addedAt} as="time" />, orders: { first: "-addedAt", second: "addedAt", ascending: "addedAt" } },
  ];
  if (mayWrite)
    columns.push({
      name: "actions",
      title: "Actions",
      isTitleHidden: true,
      class: "actions",
      cell: (member) => (
        <Menu
          label={`Actions for ${member.userId}`}
          items={[
            { text: "Change roles", run: () => setDialog({ kind: "roles", member }) },
            { text: "Remove…", isDangerous: true, run: () => setDialog({ kind: "remove", member }) },
          ]}
        />
      ),
    });
  const isFiltered = user !== "" || role !== "";
  return (
    <section aria-label="Members">
      <div class="toolbar">
        <Find key={user} user={user} role={role} />
        <span class="grow" />
        <Select label="Order" isLabelHidden value={order} set={(value) => setQuery({ order: value, ...first })} options={orders} />
        {mayAdd && (
          <button type="button" class="button primary" onClick={() => setDialog({ kind: "add" })}>
            <Icon name="plus" /> Add a member
          </button>
        )}
      </div>
      <Announcement>{!list.isLoading && page && foundText(page.total ?? count(page.members.length), "member")}</Announcement>
      {list.error && !page ? (
        <ErrorBox error={list.error} what="the members" reload={list.reload} />
      ) : page?.members.length === 0 ? (
        isFiltered || cursor || before ? (
          <Empty title="No member matches" action={<button type="button" class="button" onClick={() => setQuery({ user: undefined, role: undefined, ...first })}>Show all members</button>}>
            A user is found by the exact id, and a role by its exact name.
          </Empty>
        ) : (
          <Empty title="No members yet" action={mayAdd && <button type="button" class="button primary" onClick={() => setDialog({ kind: "add" })}>Add the first one</button>}>
            Members are ids of users in your identity provider, with roles that your application understands.
          </Empty>
        )
      ) : (
        <>
          <Table label="Members" columns={columns} entries={page?.members} id={(m) => m.userId} order={order} sort={(value) => setQuery({ order: value, ...first })} isStale={list.isLoading} />
          <Pager prev={page?.prev ? () => setQuery({ cursor: undefined, before: page.prev }) : undefined} next={page?.next ? () => setQuery({ before: undefined, cursor: page.next }) : undefined}>
            {page?.total !== undefined && `${page.total} in total`}
          </Pager>
        </>
      )}
      {dialog?.kind === "add" && <AddMember org={org} done={refresh} close={() => setDialog(undefined)} />}
      {dialog?.kind === "roles" && <ChangeRoles org={org} member={dialog.member} done={refresh} close={() => setDialog(undefined)} />}
      {dialog?.kind === "remove" && <RemoveMember org={org} member={dialog.member} done={refresh} close={() => setDialog(undefined)} />}
    </section>
  );
}

export function Roles({ roles }: { roles: readonly string[] | undefined }) {
  if (!roles?.length) return <span class="none">none</span>;
  return (
    <span class="chips">
      {roles.map((role) => (
        <span key={role} class="chip">
          {role}
        </span>
      ))}
    </span>
  );
}

function Find({ user, role }: { user: string; role: string }) {
  const [text, setText] = useState(user);
  const [wantedRole, setRole] = useState(role);
  const submit = (event: Event) => {
    event.preventDefault();
    setQuery({ user: text.trim(), role: wantedRole.trim(), ...first });
  };
  return (
    <form class="find" role="search" aria-label="Find members" onSubmit={submit}>
      <div class="search">
        <Icon name="search" />
        <input type="search" aria-label="User id" placeholder="Exact user id" value={text} maxLength={255} autocomplete="off" spellcheck={false} onInput={(event) => setText(event.currentTarget.value)} />
      </div>
      <input class="role" aria-label="Role" placeholder="Role" value={wantedRole} maxLength={64} autocomplete="off" spellcheck={false} onInput={(event) => setRole(event.currentTarget.value)} />
      <button type="submit" class="button">
        Find
      </button>
    </form>
  );
}

/** Roles from text in which blanks or commas separate them. */
const rolesOf = (text: string): string[] => [...new Set(text.split(/[\s,]+/).filter(Boolean))];

function rolesError(error: FieldErrors): string | undefined {
  return error("add.0.roles");
}

const rolesHint = "Up to 10, separated by spaces: owner billing:read. orgd stores them; your application gives them a meaning.";

function AddMember({ org, done, close }: { org: Organization; done: () => void; close: () => void }) {
  const [user, setUser] = useState("");
  const [roles, setRoles] = useState("");
  const send = async () => {
    const wanted = rolesOf(roles);
    const add = [{ userId: user.trim(), ...(wanted.length && { roles: wanted }) }];
    const { data } = await orgd.PATCH("/v1/orgs/{orgId}/users", { params: { path: { orgId: org.orgId } }, body: { add } });
    toast(data.added ? "The member was added." : data.updated ? "The user was a member already, and has the new roles now." : "The user was a member already. Nothing changed.");
    done();
  };
  return (
    <FormDialog title="Add a member" submit="Add member" ready={user.trim() !== ""} send={send} close={close}>
      {(error) => (
        <>
          <Field label="User id" value={user} set={setUser} error={error("add.0.userId")} maxLength={255} isCode focus hint="As your identity provider has it, such as auth0|0197f3a1." />
          <Field label="Roles (optional)" value={roles} set={setRoles} error={rolesError(error)} isCode hint={rolesHint} />
        </>
      )}
    </FormDialog>
  );
}

function ChangeRoles({ org, member, done, close }: { org: Organization; member: Member; done: () => void; close: () => void }) {
  const [roles, setRoles] = useState((member.roles ?? []).join(" "));
  const send = async () => {
    await orgd.PATCH("/v1/orgs/{orgId}/users", { params: { path: { orgId: org.orgId } }, body: { add: [{ userId: member.userId, roles: rolesOf(roles) }] } });
    toast("The roles were saved.");
    done();
  };
  return (
    <FormDialog title="Change roles" submit="Save roles" send={send} close={close}>
      {(error) => (
        <>
          <p>
            <Foreign class="quoted">{member.userId}</Foreign>
          </p>
          <Field label="Roles" value={roles} set={setRoles} error={rolesError(error)} isCode focus hint={rolesHint} />
        </>
      )}
    </FormDialog>
  );
}

function RemoveMember({ org, member, done, close }: { org: Organization; member: Member; done: () => void; close: () => void }) {
  const send = async () => {
    await orgd.PATCH("/v1/orgs/{orgId}/users", { params: { path: { orgId: org.orgId } }, body: { remove: [member.userId] } });
    toast("The member was removed.");
    done();
  };
  return (
    <FormDialog title="Remove the member?" submit="Remove" isDangerous send={send} close={close}>
      <p>
        <Foreign class="quoted">{member.userId}</Foreign> is no longer a member of <Foreign class="quoted">{org.orgName}</Foreign>, and loses the roles there.
      </p>
    </FormDialog>
  );
}
