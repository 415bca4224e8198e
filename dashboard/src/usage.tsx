import { useEffect, useState } from "preact/hooks";
import { count, Foreign, Time } from "./format";
import { limits } from "./limits";
import { readOwnKey, useOwnKey } from "./keynames";
import { Link } from "./router";
import { ScopeList } from "./scopelist";
import { can, useSession } from "./session";
import { useStore } from "./store";
import { Skeleton } from "./states";
import { Title } from "./title";

// How often the page asks what is left, in milliseconds. Asking costs a request itself.
const interval = 5000;

export function Usage() {
  const session = useSession();
  const own = useOwnKey();
  const [, setRound] = useState(0);

  useEffect(() => {
    const abort = new AbortController();
    const ask = () => {
      if (document.visibilityState === "hidden") return;
      setRound((n) => n + 1);
      readOwnKey(abort.signal).catch(() => {});
    };
    ask();
    const timer = setInterval(ask, interval);
    return () => {
      clearInterval(timer);
      abort.abort();
    };
  }, []);

  return (
    <>
      <div class="page-head">
        <Title title="Usage" />
      </div>
      <div class="columns">
        <div class="grow stack">
          <section class="card" aria-labelledby="rate-title">
            <h2 id="rate-title">Requests</h2>
            <Rate />
          </section>
          <section class="card" aria-labelledby="scopes-title">
            <h2 id="scopes-title">What your key may do</h2>
            <ScopeList has={session?.scopes ?? []} />
          </section>
        </div>
        <section class="card side-card" aria-labelledby="key-title">
          <h2 id="key-title">Your key</h2>
          <dl class="details">
            {own && (
              <>
                <dt>Description</dt>
                <dd>
                  {can("keys:manage") ? (
                    <Link to={`/keys/${own.apiKeyId}`}>
                      <Foreign class="wrap">{own.description}</Foreign>
                    </Link>
                  ) : (
                    <Foreign class="wrap">{own.description}</Foreign>
                  )}
                </dd>
              </>
            )}
            <dt>Key</dt>
            <dd>
              <code>orgd_…{session?.key.slice(-4)}</code>
            </dd>
            {own && (
              <>
                <dt>Expires</dt>
                <dd>{own.expiresAt ? <Time at={own.expiresAt} as="time" /> : <span class="none">never</span>}</dd>
                <dt>Created</dt>
                <dd>
                  <Time at={own.createdAt} as="time" />
                </dd>
              </>
            )}
          </dl>
        </section>
      </div>
    </>
  );
}

function Rate() {
  const known = useStore(limits);
  if (known === undefined) return <Skeleton lines={2} />;
  if (known === null)
    return (
      <p class="figure">
        <strong>No limit</strong>
        <span class="hint">The server does not limit the requests of this key.</span>
      </p>
    );
  const share = known.quota ? known.left / known.quota : 0;
  const scope = known.name === "key" ? "this key" : "all keys of the account together";
  return (
    <>
      <p class="figure">
        <strong>
          {count(known.left)} of {count(known.quota)}
        </strong>
        <span class="hint">requests left</span>
      </p>
      <svg class={`meter ${share < 0.25 ? "low" : ""}`} viewBox="0 0 100 1" preserveAspectRatio="none" role="meter" aria-label="Requests left" aria-valuemin={0} aria-valuemax={known.quota} aria-valuenow={known.left}>
        <rect width={share * 100} height="1" />
      </svg>
      <dl class="details inline-details">
        <dt>Limit of</dt>
        <dd>{scope}</dd>
        <dt>Sustained rate</dt>
        <dd>{count(Math.round(known.quota / known.window))} a second</dd>
        <dt>Burst</dt>
        <dd>{count(known.quota)} at once</dd>
        <dt>All of it again</dt>
        <dd>{known.reset ? `in ${known.reset} s without requests` : "now"}</dd>
      </dl>
      <p class="hint">
        Each server counts separately, so several servers allow more together. Beyond the limit, a request gets <code>429</code> with the time to wait.
      </p>
    </>
  );
}
