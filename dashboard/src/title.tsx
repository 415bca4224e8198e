import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { plain } from "./format";

/** The heading of a page, and the title of the window. */
export function Title({ title, children }: { title: string; children?: ComponentChildren }) {
  useEffect(() => {
    document.title = `${plain(title)} · orgd`;
  }, [title]);
  return (
    <h1 tabIndex={-1}>
      <bdi>{children ?? title}</bdi>
    </h1>
  );
}
