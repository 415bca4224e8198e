import type { Organization as Org } from "@orgd/client";
import { useState } from "preact/hooks";
import { orgd } from "./api";
import { Conflict, useChanges } from "./conflict";
import { FormDialog } from "./dialog";
import { ErrorBox } from "./errors";
import { History } from "./history";
import { Foreign, plural } from "./format";
import { Field } from "./forms";
import { InlineEdit } from "./inline";
import { Members } from "./members";
import { Details } from "./orgdetails";
import { State } from "./organizations";
import { forget, useQuery } from "./query";
import { Link, navigate } from "./router";
import { can } from "./session";
import { Skeleton } from "./states";
import { Title } from "./title";
import { toast } from "./toast";

export function Organization({ id, tab }: { id: string; tab: string }) {
  const query = useQuery(`org ${id}`, async (signal) => (await orgd.GET("/v1/orgs/{orgId}", { params: { path: { orgId: id } }, signal })).data);
  const { data: org, error, reload } = query;
  const crumbs = (
    <nav aria-label="Breadcrumb" class="crumbs">
      <Link to="/organizations">Organizations</Link>
    </nav>
  );
  if (!org && error) {
    const isMissing = "status" in error && error.status === 404;
    return (
      <>
        {crumbs}
        <Title title={isMissing ? "Organization not found" : "Organization"} />
        {isMissing ? (
          <div class="state">
            <p>It was deleted, or your account never had an organization with this id.</p>
            <Link to="/organizations" class="button">
              All organizations
            </Link>
            {can("events:read") && <History path={{ orgId: id }} isMissing />}
          </div>
        ) : (
          <ErrorBox error={error} what="the organization" reload={reload} />
        )}
      </>
    );
  }
  if (!org)
    return (
      <>
        {crumbs}
        <Title title="Organization">
          <span class="skeleton title" />
        </Title>
        <Skeleton lines={6} />
      </>
    );
  return (
    <>
      {crumbs}
      <Loaded org={org} set={query.set} reload={reload} tab={tab} />
    </>
  );
}

function Loaded({ org, set, reload, tab }: { org: Org; set: (org: Org) => void; reload: () => void; tab: string }) {
  const changes = useChanges((changed) => {
    forget("orgs ");
    set(changed);
  });
  const [isDeleting, setDeleting] = useState(false);
  const [isDeactivating, setDeactivating] = useState(false);
  const mayWrite = can("orgs:write");

  const rename = (name: string, base: Org) =>
    changes.apply(base, {
      yours: { Name: name.trim() },
      run: async (revision) => (await orgd.PATCH("/v1/orgs/{orgId}", { params: { path: { orgId: org.orgId } }, body: { orgName: name, revision } })).data,
      done: "The organization was renamed.",
    });
  const reactivate = async () => {
    await changes.apply(org, {
      yours: { State: "active" },
      run: async (revision) => (await orgd.POST("/v1/orgs/{orgId}/reactivate", { params: { path: { orgId: org.orgId } }, body: { revision } })).data,
      done: "The organization is active again.",
    }, { asToast: true });
  };

  return (
    <>
      <div class="page-head">
        <InlineEdit
          label="Name"
          value={org.orgName}
          base={org}
          save={mayWrite ? rename : undefined}
          maxLength={255}
          isHeading
        >
          <Title title={org.orgName} />
        </InlineEdit>
        <State isActive={org.isActive} />
        <span class="grow" />
        {mayWrite &&
          (org.isActive ? (
            <button type="button" class="button" onClick={() => setDeactivating(true)}>
              Deactivate
            </button>
          ) : (
            <button type="button" class="button" onClick={reactivate}>
              Reactivate
            </button>
          ))}
        {can("orgs:delete") && !org.isActive && (
          <button type="button" class="button bad" onClick={() => setDeleting(true)}>
            Delete
          </button>
        )}
      </div>
      {!org.isActive && <p class="notice">This organization is deactivated. It takes no new members until it is reactivated{can("orgs:delete") ? ", and it can be deleted" : ""}.</p>}
      <Tabs org={org} tab={tab} />
      {tab === "members" ? (
        <Members org={org} changed={reload} />
      ) : tab === "history" && can("events:read") ? (
        <History path={{ orgId: org.orgId }} version={org.updatedAt} />
      ) : (
        <Details org={org} changes={changes} />
      )}
      <Conflict changes={changes} />
      {isDeactivating && <Deactivate org={org} changes={changes} close={() => setDeactivating(false)} />}
      {isDeleting && <Delete org={org} close={() => setDeleting(false)} />}
    </>
  );
}

function Tabs({ org, tab }: { org: Org; tab: string }) {
  const base = `/organizations/${org.orgId}`;
  const tabs: [string, string][] = [["", "Overview"], ["members", `Members (${org.userCount.toLocaleString("en")})`]];
  if (can("events:read")) tabs.push(["history", "History"]);
  const current = tabs.some(([name]) => name === tab) ? tab : "";
  return (
    <nav aria-label="Organization" class="tabs">
      {tabs.map(([name, title]) => (
        <Link key={name} to={name ? `${base}/${name}` : base} aria-current={name === current ? "page" : undefined}>
          {title}
        </Link>
      ))}
    </nav>
  );
}

function Deactivate({ org, changes, close }: { org: Org; changes: ReturnType<typeof useChanges>; close: () => void }) {
  const send = async () => {
    close();
    await changes.apply(org, {
      yours: { State: "deactivated" },
      run: async (revision) => (await orgd.POST("/v1/orgs/{orgId}/deactivate", { params: { path: { orgId: org.orgId } }, body: { revision } })).data,
      done: "The organization was deactivated.",
    }, { asToast: true });
  };
  return (
    <FormDialog title="Deactivate the organization?" submit="Deactivate" send={send} close={close}>
      <p>
        <strong>
          <Foreign>{org.orgName}</Foreign>
        </strong>{" "}
        keeps its data and its {plural(org.userCount, "member")}, but takes no new members. Your application can treat it as closed. You can reactivate it at any time. Only a deactivated organization can be deleted.
      </p>
    </FormDialog>
  );
}

function Delete({ org, close }: { org: Org; close: () => void }) {
  const [typed, setTyped] = useState("");
  const isRight = typed.trim().normalize() === org.orgName.normalize();
  const send = async () => {
    await orgd.DELETE("/v1/orgs/{orgId}", { params: { path: { orgId: org.orgId }, query: { revision: org.revision } } });
    forget("org");
    forget("total ");
    toast("The organization was deleted.");
    navigate("/organizations");
  };
  return (
    <FormDialog title="Delete the organization for good?" submit="Delete for good" isDangerous ready={isRight} send={send} close={close}>
      <p>
        This deletes the organization{org.userCount ? ` and its ${plural(org.userCount, "membership")}` : ""}, and erases the contents of its history. <strong>It cannot be undone.</strong>
      </p>
      <p>
        To confirm, type its name: <Foreign class="quoted">{org.orgName}</Foreign>
      </p>
      <Field label="Name of the organization" value={typed} set={setTyped} focus />
    </FormDialog>
  );
}
