import type { ApiKey } from "@orgd/client";
import { useState } from "preact/hooks";
import { orgd } from "./api";
import { ErrorBox } from "./errors";
import { ago, Foreign, LastUsed, Time } from "./format";
import { Icon } from "./icons";
import { CreateKey, EditKey, RevokeKey, RotateKey } from "./keyforms";
import { forgetKeyNames, hasEnded, useOwnKey } from "./keynames";
import { Menu } from "./menu";
import { forget, useQuery } from "./query";
import { Link, setQuery, useRoute } from "./router";
import { can } from "./session";
import { Badge } from "./states";
import { Pager, readLinks, Table, type Column } from "./table";
import { Title } from "./title";

export function KeyState({ apiKey }: { apiKey: ApiKey }) {
  if (apiKey.revokedAt) return <Badge tone="quiet">Revoked</Badge>;
  if (hasEnded(apiKey)) return <Badge tone="quiet">Expired</Badge>;
  if (apiKey.expiresAt && Date.parse(apiKey.expiresAt) - Date.now() < 7 * 86_400_000) return <Badge tone="warning">Expires {ago(apiKey.expiresAt)}</Badge>;
  return <Badge tone="good">Active</Badge>;
}

export type KeyAction = { kind: "edit" | "rotate" | "revoke"; key: ApiKey };

/** The dialog of an action. */
export function KeyDialog({ action, changed, close }: { action: KeyAction | undefined; changed: () => void; close: () => void }) {
  if (!action) return null;
  const props = { apiKey: action.key, changed, close };
  switch (action.kind) {
    case "edit":
      return <EditKey {...props} />;
    case "rotate":
      return <RotateKey {...props} />;
    case "revoke":
      return <RevokeKey {...props} />;
  }
}

/** What can be done with a key. An own key can give only scopes that it has itself. */
export function keyActions(key: ApiKey, run: (action: KeyAction) => void) {
  const isValid = !hasEnded(key);
  return [
    { text: "Edit", run: () => run({ kind: "edit", key }) },
    isValid && key.scopes.every(can) && { text: "Rotate…", run: () => run({ kind: "rotate", key }) },
    isValid && { text: "Revoke…", isDangerous: true, run: () => run({ kind: "revoke", key }) },
  ];
}

export function Keys() {
  const { query } = useRoute();
  const [isCreating, setCreating] = useState(false);
  const [action, setAction] = useState<KeyAction>();
  const cursor = query.get("cursor") ?? "";
  const list = useQuery(
    `keys ${cursor}`,
    async (signal) => {
      const { data, response } = await orgd.GET("/v1/api-keys", { params: { query: { limit: 50, ...(cursor && { cursor }) } }, signal });
      return { keys: data.apiKeys, ...readLinks(response.headers.get("Link")) };
    },
    { keeps: true },
  );
  const own = useOwnKey();
  const changed = () => {
    forget("key");
    forgetKeyNames();
    list.reload();
  };
  const columns: Column<ApiKey>[] = [
    {
      name: "description",
      title: "Description",
      class: "main",
      cell: (key) => (
        <span class="with-copy">
          <Link to={`/keys/${key.apiKeyId}`}>
            <Foreign class="cut">{key.description}</Foreign>
          </Link>
          {own?.apiKeyId === key.apiKeyId && <span class="chip">your key</span>}
        </span>
      ),
    },
    { name: "hint", title: "Key", cell: (key) => <code>{key.hint}</code> },
    { name: "state", title: "State", isObvious: true, cell: (key) => <KeyState apiKey={key} /> },
    {
      name: "scopes",
      title: "Scopes",
      cell: (key) => <span title={key.scopes.join("\n")}>{key.scopes.length === 1 ? key.scopes[0] : `${key.scopes.length} scopes`}</span>,
    },
    { name: "used", title: "Last used", cell: (key) => <LastUsed at={key.lastUsedAt} isOwn={own?.apiKeyId === key.apiKeyId} /> },
    { name: "expires", title: "Expires", cell: (key) => (key.expiresAt ? <Time at={key.expiresAt} /> : <span class="none">never</span>) },
    { name: "created", title: "Created", cell: (key) => <Time at={key.createdAt} /> },
    { name: "actions", title: "Actions", isTitleHidden: true, class: "actions", cell: (key) => <Menu label={`Actions for ${key.description}`} items={keyActions(key, setAction)} /> },
  ];
  return (
    <>
      <div class="page-head">
        <Title title="API keys" />
        <span class="grow" />
        <button type="button" class="button primary" onClick={() => setCreating(true)}>
          <Icon name="plus" /> New key
        </button>
      </div>
      {list.error && !list.data ? (
        <ErrorBox error={list.error} what="the keys" reload={list.reload} />
      ) : (
        <>
          <Table label="API keys" columns={columns} entries={list.data?.keys} id={(key) => key.apiKeyId} isStale={list.isLoading} expected={4} />
          {(cursor || list.data?.next) && (
            <Pager prev={cursor ? () => history.back() : undefined} next={list.data?.next ? () => setQuery({ cursor: list.data?.next }) : undefined} />
          )}
        </>
      )}
      {isCreating && <CreateKey changed={changed} close={() => setCreating(false)} />}
      <KeyDialog action={action} changed={changed} close={() => setAction(undefined)} />
    </>
  );
}
