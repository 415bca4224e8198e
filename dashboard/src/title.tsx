import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { plain } from "./format";

// Whether a heading that had the focus was removed. A page that has loaded shows another
// one in its place.
let hadFocus = false;

/** The heading of a page, and the title of the window. */
export function Title({ title, children }: { title: string; children?: ComponentChildren }) {
  useEffect(() => {
    document.title = `${plain(title)} · orgd`;
  }, [title]);
  const heading = useRef<HTMLHeadingElement>(null);
  useLayoutEffect(() => {
    const own = heading.current;
    if (hadFocus && (!document.activeElement || document.activeElement === document.body)) own?.focus({ preventScroll: true });
    hadFocus = false;
    return () => {
      hadFocus = own !== null && document.activeElement === own;
    };
  }, []);
  return (
    <h1 ref={heading} tabIndex={-1}>
      <bdi>{children ?? title}</bdi>
    </h1>
  );
}
