import { useState } from "preact/hooks";
import { orgd } from "./api";
import { ErrorBox } from "./errors";
import { LastUsed, Time } from "./format";
import { History } from "./history";
import { CopyButton } from "./forms";
import { KeyDialog, keyActions, KeyState, type KeyAction } from "./keys";
import { forgetKeyNames, KeyName, useOwnKey } from "./keynames";
import { forget, useQuery } from "./query";
import { Link } from "./router";
import { can } from "./session";
import { ScopeList } from "./scopelist";
import { Skeleton } from "./states";
import { Title } from "./title";

export function Key({ id }: { id: string }) {
  const { data: key, error, reload } = useQuery(`key ${id}`, async (signal) => (await orgd.GET("/v1/api-keys/{apiKeyId}", { params: { path: { apiKeyId: id } }, signal })).data);
  const [action, setAction] = useState<KeyAction>();
  const [round, setRound] = useState(0);
  const own = useOwnKey();
  const changed = () => {
    forget("keys ");
    forgetKeyNames();
    reload();
    setRound(round + 1);
  };
  return (
    <>
      <nav aria-label="Breadcrumb" class="crumbs">
        <Link to="/keys">API keys</Link>
      </nav>
      {error && !key ? (
        <>
          <Title title="API key" />
          <ErrorBox error={error} what="the key" reload={reload} />
        </>
      ) : !key ? (
        <>
          <Title title="API key">
            <span class="skeleton title" />
          </Title>
          <Skeleton lines={6} />
        </>
      ) : (
        <>
          <div class="page-head">
            <Title title={key.description} />
            <KeyState apiKey={key} />
            {own?.apiKeyId === id && <span class="chip">your key</span>}
            <span class="grow" />
            {keyActions(key, setAction).map(
              (item) =>
                item && (
                  <button key={item.text} type="button" class="button" onClick={item.run}>
                    {item.text.replace("…", "")}
                  </button>
                ),
            )}
          </div>
          <div class="columns">
            <section class="card grow" aria-labelledby="scopes-title">
              <h2 id="scopes-title">What it may do</h2>
              <ScopeList has={key.scopes} />
            </section>
            <section class="card side-card" aria-labelledby="details-title">
              <h2 id="details-title">Details</h2>
              <dl class="details">
                <dt>Key</dt>
                <dd>
                  <code>{key.hint}</code>
                </dd>
                <dt>Id</dt>
                <dd class="with-copy">
                  <code class="wrap">{key.apiKeyId}</code>
                  <CopyButton text={key.apiKeyId} label="Copy key id" />
                </dd>
                <dt>Last used</dt>
                <dd>
                  <LastUsed at={key.lastUsedAt} isOwn={own?.apiKeyId === id} />
                </dd>
                <dt>Expires</dt>
                <dd>{key.expiresAt ? <Time at={key.expiresAt} as="time" /> : <span class="none">never</span>}</dd>
                {key.revokedAt && (
                  <>
                    <dt>Revoked</dt>
                    <dd>
                      <Time at={key.revokedAt} as="time" />
                    </dd>
                  </>
                )}
                <dt>Created</dt>
                <dd>
                  <Time at={key.createdAt} as="time" />
                  <span class="by">{key.createdByApiKeyId ? <>with key <KeyName id={key.createdByApiKeyId} /></> : "by the operator"}</span>
                </dd>
              </dl>
            </section>
          </div>
          {can("events:read") && (
            <>
              <h2 class="section-title">History</h2>
              <History path={{ apiKeyId: id }} version={round} />
            </>
          )}
        </>
      )}
      <KeyDialog action={action} changed={changed} close={() => setAction(undefined)} />
    </>
  );
}
