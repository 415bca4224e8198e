import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { Activity } from "./activity";
import { connection, retryNow } from "./connection";
import { hasDocs } from "./docs";
import { Icon, type IconName } from "./icons";
import { Key } from "./key";
import { Keys } from "./keys";
import { Organization } from "./organization";
import { Organizations } from "./organizations";
import { Link, navigate, useRoute, type Route } from "./router";
import { can, endSession, useSession, type Session } from "./session";
import type { Scope } from "./scopes";
import { SignIn } from "./signin";
import { Empty } from "./states";
import { useStore } from "./store";
import { Title } from "./title";
import { Toasts } from "./toast";
import { Usage } from "./usage";
import { Webhook } from "./webhook";
import { Webhooks } from "./webhooks";

const sections: { path: string; title: string; icon: IconName; scope?: Scope }[] = [
  { path: "/organizations", title: "Organizations", icon: "organizations", scope: "orgs:read" },
  { path: "/keys", title: "API keys", icon: "keys", scope: "keys:manage" },
  { path: "/webhooks", title: "Webhooks", icon: "webhooks", scope: "webhooks:manage" },
  { path: "/activity", title: "Activity", icon: "activity", scope: "events:read" },
  { path: "/usage", title: "Usage", icon: "usage" },
];

export function App({ version }: { version: string }) {
  const session = useSession();
  return (
    <>
      <ConnectionBanner />
      {session ? <Shell session={session} version={version} /> : <SignIn version={version} />}
      <Toasts />
    </>
  );
}

function Shell({ session, version }: { session: Session; version: string }) {
  const route = useRoute();
  const offered = sections.filter((s) => !s.scope || can(s.scope));
  const main = useRef<HTMLElement>(null);

  const isHome = route.path === "/";
  useEffect(() => {
    if (isHome) navigate(offered[0]?.path ?? "/usage", { replace: true });
  }, [isHome]);

  // A new page begins at its top, with the focus on its heading. The first page of a visit
  // leaves the focus to the browser.
  const previous = useRef(route.path);
  useLayoutEffect(() => {
    document.querySelector(".side nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
    if (previous.current === route.path) return;
    const isTab = tabbed(previous.current) === tabbed(route.path);
    previous.current = route.path;
    if (isTab) return;
    scrollTo(0, 0);
    main.current?.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
  }, [route.path]);

  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target instanceof Element && event.target.closest("input, textarea, select, dialog")) return;
      const search = document.querySelector<HTMLInputElement>("input[type=search]");
      if (search) event.preventDefault();
      search?.focus();
      search?.select();
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, []);

  return (
    <div class="shell">
      <a class="skip" href="#main">
        Skip to content
      </a>
      <header class="side">
        <div class="brand">
          <Link to="/">orgd</Link>
          <span class="version">{version}</span>
        </div>
        <nav aria-label="Main">
          <ul>
            {offered.map((s) => (
              <li key={s.path}>
                <Link to={s.path} aria-current={route.path === s.path ? "page" : route.path.startsWith(`${s.path}/`) ? "true" : undefined}>
                  <Icon name={s.icon} />
                  {s.title}
                </Link>
              </li>
            ))}
          </ul>
        </nav>
        <div class="account">
          {hasDocs && (
            <>
              <a href="/docs" class="docs">
                API reference
              </a>
              <a href="/docs/guides" class="docs wide-only">
                Guides
              </a>
            </>
          )}
          <span class="hint-key" title="The key that you are signed in with">
            Key …{session.key.slice(-4)}
          </span>
          <button type="button" class="button" onClick={signOut}>
            <Icon name="signout" /> Sign out
          </button>
        </div>
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        <Page route={route} />
      </main>
    </div>
  );
}

function signOut(): void {
  endSession();
  navigate("/", { replace: true });
}

// The tabs of an organization are one page.
const tabbed = (path: string): string => path.split("/").slice(0, 3).join("/");

function Page({ route }: { route: Route }) {
  const [, section, id, tab] = route.path.split("/");
  if (!section) return null;
  const scope = sections.find((s) => s.path === `/${section}`)?.scope;
  if (scope && !can(scope)) return <NotOffered scope={scope} />;
  switch (section) {
    case "organizations":
      return id ? <Organization key={id} id={id} tab={tab ?? ""} /> : <Organizations />;
    case "keys":
      return id ? <Key key={id} id={id} /> : <Keys />;
    case "webhooks":
      return id ? <Webhook key={id} id={id} /> : <Webhooks />;
    case "activity":
      return <Activity />;
    case "usage":
      return <Usage />;
  }
  return (
    <>
      <Title title="No such page" />
      <Empty title="There is no such page" action={<Link to="/" class="button">Go to the start</Link>}>
        Check the address, or choose a page from the navigation.
      </Empty>
    </>
  );
}

function NotOffered({ scope }: { scope: Scope }) {
  return (
    <>
      <Title title="Not available" />
      <Empty title="Your key cannot open this page" action={<Link to="/" class="button">Go to the start</Link>}>
        It needs the scope <code>{scope}</code>. Sign in with a key that has it.
      </Empty>
    </>
  );
}

function ConnectionBanner() {
  const state = useStore(connection);
  return (
    <div role="status" aria-live="polite">
      {state !== "connected" && (
        <div class="banner">
          <Icon name="warning" />
          <span>
            {state === "lost" ? "No connection to the server." : "The server cannot handle requests at the moment."} Trying again…
          </span>
          <button type="button" class="button" onClick={retryNow}>
            Try now
          </button>
        </div>
      )}
    </div>
  );
}
