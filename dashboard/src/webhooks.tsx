import type { Webhook } from "@orgd/client";
import { useState } from "preact/hooks";
import { orgd } from "./api";
import { ErrorBox } from "./errors";
import { count, Foreign, Time } from "./format";
import { Icon } from "./icons";
import { forget, useQuery } from "./query";
import { Link, setQuery, navigate, useRoute } from "./router";
import { Badge, Empty } from "./states";
import { Pager, readLinks, Table, type Column } from "./table";
import { Title } from "./title";
import { CreateWebhook } from "./webhookforms";

export function WebhookState({ hook }: { hook: Webhook }) {
  if (!hook.isEnabled) return <Badge tone={hook.disabledReason === "requested" ? "quiet" : "bad"}>Disabled</Badge>;
  if (hook.failures) return <Badge tone="warning">Failing</Badge>;
  return <Badge tone="good">Enabled</Badge>;
}

export const typesText = (types: readonly string[] | undefined): string => (!types ? "All events" : types.length === 1 ? (types[0] ?? "") : `${types.length} types`);

export function Webhooks() {
  const { query } = useRoute();
  const [isCreating, setCreating] = useState(false);
  const cursor = query.get("cursor") ?? "";
  const list = useQuery(
    `hooks ${cursor}`,
    async (signal) => {
      const { data, response } = await orgd.GET("/v1/webhooks", { params: { query: { limit: 50, ...(cursor && { cursor }) } }, signal });
      return { hooks: data.webhooks, ...readLinks(response.headers.get("Link")) };
    },
    { keeps: true },
  );
  const columns: Column<Webhook>[] = [
    {
      name: "description",
      title: "Description",
      class: "main",
      cell: (hook) => (
        <Link to={`/webhooks/${hook.webhookId}`}>
          <Foreign class="cut">{hook.description}</Foreign>
        </Link>
      ),
    },
    { name: "url", title: "URL", cell: (hook) => <Foreign class="cut mono">{hook.url}</Foreign> },
    { name: "state", title: "State", isObvious: true, cell: (hook) => <WebhookState hook={hook} /> },
    { name: "types", title: "Events", cell: (hook) => <span title={hook.types?.join("\n")}>{typesText(hook.types)}</span> },
    { name: "position", title: "Position", class: "number", cell: (hook) => count(hook.position) },
    { name: "created", title: "Created", cell: (hook) => <Time at={hook.createdAt} /> },
  ];
  return (
    <>
      <div class="page-head">
        <Title title="Webhooks" />
        <span class="grow" />
        <button type="button" class="button primary" onClick={() => setCreating(true)}>
          <Icon name="plus" /> New webhook
        </button>
      </div>
      {list.error && !list.data ? (
        <ErrorBox error={list.error} what="the webhooks" reload={list.reload} />
      ) : list.data?.hooks.length === 0 ? (
        <Empty title="No webhooks yet" action={<button type="button" class="button primary" onClick={() => setCreating(true)}>Create the first one</button>}>
          A webhook sends the events of the account to your server as they happen: signed, in order, and again until your server has them.
        </Empty>
      ) : (
        <>
          <Table label="Webhooks" columns={columns} entries={list.data?.hooks} id={(hook) => hook.webhookId} isStale={list.isLoading} expected={3} />
          {(cursor || list.data?.next) && (
            <Pager prev={cursor ? () => history.back() : undefined} next={list.data?.next ? () => setQuery({ cursor: list.data?.next }) : undefined} />
          )}
        </>
      )}
      {isCreating && (
        <CreateWebhook
          created={() => {
            forget("hooks ");
            list.reload();
          }}
          close={(hook) => {
            setCreating(false);
            if (hook) navigate(`/webhooks/${hook.webhookId}`);
          }}
        />
      )}
    </>
  );
}
