import type { components, Webhook as Hook } from "@orgd/client";
import { useEffect, useState } from "preact/hooks";
import { orgd } from "./api";
import { GuideLink, hasDocs } from "./docs";
import { asFailure, ErrorBox } from "./errors";
import { typeText } from "./events";
import { count, Foreign, plural, Time } from "./format";
import { CopyButton } from "./forms";
import { KeyName } from "./keynames";
import { Menu } from "./menu";
import { forget, useQuery } from "./query";
import { Link, navigate } from "./router";
import { Badge, Empty, Skeleton } from "./states";
import { Table, type Column } from "./table";
import { Title } from "./title";
import { toast, toastError } from "./toast";
import { DeleteWebhook, EditWebhook, ReplayWebhook, RotateSecret } from "./webhookforms";
import { WebhookState } from "./webhooks";

type Attempt = components["schemas"]["Attempt"];

const errorTexts: Record<NonNullable<Attempt["error"]>, string> = {
  status: "The server did not answer with 2xx.",
  redirect: "The server answered with a redirect, which is not followed. Set the new URL.",
  gone: "The server answered 410, which disables the webhook.",
  timeout: "The server did not answer in time.",
  address: "The host has an address that is not allowed. Webhooks go only to addresses on the internet.",
  name: "The host has no address. Check the URL.",
  tls: "The certificate is not valid, or the port does not speak TLS.",
  connection: "No connection: it was refused, or it broke.",
  response: "The response is not HTTP, or its header is too large.",
};

const reasonTexts: Record<NonNullable<Hook["disabledReason"]>, string> = {
  requested: "Somebody disabled it.",
  gone: "The server answered 410: it no longer wants the events.",
  failing: "The server took no event for three days.",
  events_deleted: "Events that it had not got no longer exist. Replay from a position that is kept, then enable it.",
};

export function Webhook({ id }: { id: string }) {
  const hook = useQuery(`hook ${id}`, async (signal) => (await orgd.GET("/v1/webhooks/{webhookId}", { params: { path: { webhookId: id } }, signal })).data);
  const attempts = useQuery(`attempts ${id}`, async (signal) => (await orgd.GET("/v1/webhooks/{webhookId}/attempts", { params: { path: { webhookId: id } }, signal })).data.attempts);
  const [dialog, setDialog] = useState<"edit" | "rotate" | "replay" | "delete">();
  const [isTesting, setTesting] = useState(false);

  // Deliveries go on while the page is open.
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === "hidden") return;
      hook.reload();
      attempts.reload();
    }, 5000);
    return () => clearInterval(timer);
  }, []);

  const { data } = hook;
  const crumbs = (
    <nav aria-label="Breadcrumb" class="crumbs">
      <Link to="/webhooks">Webhooks</Link>
    </nav>
  );
  if (!data)
    return (
      <>
        {crumbs}
        <Title title="Webhook">{!hook.error && <span class="skeleton title" />}</Title>
        {hook.error ? <ErrorBox error={hook.error} what="the webhook" reload={hook.reload} /> : <Skeleton lines={6} />}
      </>
    );

  const path = { webhookId: id };
  const changed = (next: Hook) => {
    forget("hooks ");
    hook.set(next);
  };
  const test = async () => {
    setTesting(true);
    try {
      const { data: attempt } = await orgd.POST("/v1/webhooks/{webhookId}/test", { params: { path } });
      if (attempt.error) toastError(`The test failed${attempt.status ? ` with status ${attempt.status}` : ""}. ${errorTexts[attempt.error]}`);
      else toast(`The test arrived: your server answered ${attempt.status} after ${attempt.milliseconds} ms.`);
      attempts.reload();
    } catch (error) {
      toastError("The test was not sent.", asFailure(error));
    } finally {
      setTesting(false);
    }
  };
  const toggle = async () => {
    try {
      const { data: next } = await orgd.POST(data.isEnabled ? "/v1/webhooks/{webhookId}/disable" : "/v1/webhooks/{webhookId}/enable", { params: { path } });
      changed(next);
      toast(next.isEnabled ? "The webhook is enabled, and continues where it stopped." : "The webhook was disabled. It keeps its position.");
    } catch (error) {
      toastError("The webhook was not changed.", asFailure(error));
    }
  };
  const props = { hook: data, changed, close: () => setDialog(undefined) };
  return (
    <>
      {crumbs}
      <div class="page-head">
        <Title title={data.description} />
        <WebhookState hook={data} />
        <span class="grow" />
        <button type="button" class="button primary" aria-busy={isTesting} disabled={isTesting} onClick={test}>
          Send a test
        </button>
        <button type="button" class="button" onClick={toggle}>
          {data.isEnabled ? "Disable" : "Enable"}
        </button>
        <Menu
          label="More actions"
          items={[
            { text: "Edit", run: () => setDialog("edit") },
            { text: "Replay…", run: () => setDialog("replay") },
            { text: "Rotate secret…", run: () => setDialog("rotate") },
            { text: "Delete…", isDangerous: true, run: () => setDialog("delete") },
          ]}
        />
      </div>
      {!data.isEnabled && data.disabledReason && (
        <p class="notice">
          Disabled{" "}
          {data.disabledAt && <Time at={data.disabledAt} as="ago" />}. {reasonTexts[data.disabledReason]}
        </p>
      )}
      {data.isEnabled && data.failures > 0 && (
        <p class="notice">
          {plural(data.failures, "attempt")} failed{" "}
          {data.failingSince && (
            <>
              since <Time at={data.failingSince} as="time" />
            </>
          )}
          . {data.nextAttemptAt && (
            <>
              The next one is <Time at={data.nextAttemptAt} as="ago" />.
            </>
          )}
        </p>
      )}
      <div class="columns">
        <section class="grow" aria-label="Attempts">
          <Attempts attempts={attempts.data} error={attempts.error} reload={attempts.reload} />
        </section>
        <section class="card side-card" aria-labelledby="details-title">
          <h2 id="details-title">Details</h2>
          <dl class="details">
            <dt>URL</dt>
            <dd>
              <Foreign class="wrap mono">{data.url}</Foreign>
            </dd>
            <dt>Events</dt>
            <dd>{data.types ? <ul class="plain-list">{data.types.map((type) => <li key={type}><code>{type}</code></li>)}</ul> : "All"}</dd>
            <dt>Delivered up to position</dt>
            <dd>{count(data.position)}</dd>
            <dt>Id</dt>
            <dd class="with-copy">
              <code class="wrap">{data.webhookId}</code>
              <CopyButton text={data.webhookId} label="Copy webhook id" />
            </dd>
            {data.previousSecretExpiresAt && (
              <>
                <dt>Old secret signs until</dt>
                <dd>
                  <Time at={data.previousSecretExpiresAt} as="time" />
                </dd>
              </>
            )}
            <dt>Created</dt>
            <dd>
              <Time at={data.createdAt} as="time" />
              {data.createdByApiKeyId && (
                <span class="by">
                  with key <KeyName id={data.createdByApiKeyId} />
                </span>
              )}
            </dd>
          </dl>
          {hasDocs && (
            <p class="hint">
              <GuideLink to="webhooks#receive">How your server verifies the messages</GuideLink>
            </p>
          )}
        </section>
      </div>
      {dialog === "edit" && <EditWebhook {...props} />}
      {dialog === "rotate" && <RotateSecret {...props} />}
      {dialog === "replay" && <ReplayWebhook {...props} />}
      {dialog === "delete" && (
        <DeleteWebhook
          hook={data}
          close={props.close}
          deleted={() => {
            forget("hook");
            navigate("/webhooks");
          }}
        />
      )}
    </>
  );
}

const columns: Column<Attempt>[] = [
  { name: "time", title: "Attempt", class: "main", cell: (a) => <Time at={a.attemptedAt} as="second" /> },
  { name: "event", title: "Event", cell: (a) => <span title={a.type}>{a.type === "webhook.test" ? "Test" : typeText(a.type)}</span> },
  { name: "position", title: "Position", class: "number", cell: (a) => (a.position === undefined ? <span class="none dash">–</span> : count(a.position)) },
  {
    name: "result",
    title: "Result",
    isObvious: true,
    cell: (a) => (
      <span class="result">
        <Badge tone={a.error ? "bad" : "good"}>{a.status ?? (a.error === undefined ? "Delivered" : "Failed")}</Badge>
        {a.error && <span class="hint">{errorTexts[a.error]}</span>}
      </span>
    ),
  },
  { name: "duration", title: "Took", class: "number", cell: (a) => `${count(a.milliseconds)} ms` },
];

function Attempts({ attempts, error, reload }: { attempts: Attempt[] | undefined; error: Parameters<typeof ErrorBox>[0]["error"] | undefined; reload: () => void }) {
  if (error && !attempts) return <ErrorBox error={error} what="the attempts" reload={reload} />;
  if (attempts?.length === 0) return <Empty title="Nothing was sent yet">Send a test, or make a change in the account. The last 100 attempts appear here.</Empty>;
  return <Table label="Attempts, newest first" columns={columns} entries={attempts} id={(a) => `${a.attemptedAt} ${a.eventId}`} expected={5} />;
}
