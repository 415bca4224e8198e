import type { ComponentChildren } from "preact";
import { createStore, useStore } from "./store";

const base = "/dashboard";

export interface Route {
  path: string; // below /dashboard, without a slash at the end; "/" at the top
  query: URLSearchParams;
}

function current(): Route {
  const path = location.pathname.slice(base.length).replace(/\/+$/, "") || "/";
  return { path, query: new URLSearchParams(location.search) };
}

const route = createStore<Route>(current());
addEventListener("popstate", () => route.set(current()));

export const useRoute = (): Route => useStore(route);
export const href = (path: string): string => (path === "/" ? base : base + path);

/** Goes to a path below /dashboard. `replace` changes the current entry of the history. */
export function navigate(path: string, options: { replace?: boolean } = {}): void {
  const target = href(path);
  if (target === location.pathname + location.search) return route.set(current());
  if (options.replace) history.replaceState(null, "", target);
  else history.pushState(null, "", target);
  route.set(current());
}

/** Changes parameters of the current address. An empty value removes one. */
export function setQuery(changes: Record<string, string | undefined>, options: { replace?: boolean } = {}): void {
  const { path, query } = route.get();
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    if (value) next.set(name, value);
    else next.delete(name);
  }
  const search = next.toString();
  navigate(path + (search && `?${search}`), options);
}

interface LinkProps {
  to: string;
  class?: string;
  "aria-current"?: "page" | "true" | undefined;
  children: ComponentChildren;
}

export function Link({ to, ...rest }: LinkProps) {
  const follow = (event: MouseEvent) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(to);
  };
  return <a {...rest} href={href(to)} onClick={follow} />;
}
