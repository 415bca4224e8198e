import type { ComponentChildren } from "preact";
import { useId, useRef, useState } from "preact/hooks";
import { Icon, type IconName } from "./icons";

export interface MenuItem {
  text: string;
  isDangerous?: boolean;
  run: () => void;
}

/** A button that shows a list of actions. */
export function Menu({ label, items, icon = "more" }: { label: string; items: (MenuItem | false)[]; icon?: IconName }) {
  const shown = items.filter((item) => item !== false);
  if (!shown.length) return null;
  return (
    <Popover label={label} icon={icon} isMenu>
      {(close) =>
        shown.map((item) => (
          <button
            key={item.text}
            type="button"
            role="menuitem"
            class={item.isDangerous ? "danger" : ""}
            tabIndex={-1}
            onClick={() => {
              close();
              item.run();
            }}
          >
            {item.text}
          </button>
        ))
      }
    </Popover>
  );
}

interface PopoverProps {
  label: string;
  icon: IconName;
  text?: string;
  isMenu?: boolean;
  children: (close: () => void) => ComponentChildren;
}

/** A button with a panel that closes at Escape and at a click outside. */
export function Popover({ label, icon, text, isMenu, children }: PopoverProps) {
  const button = useRef<HTMLButtonElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  const id = useId();
  const [isOpen, setOpen] = useState(false);
  const items = () => [...(panel.current?.querySelectorAll<HTMLElement>("button, input, select") ?? [])];
  const close = () => {
    panel.current?.hidePopover();
    button.current?.focus();
  };

  const onToggle = (event: ToggleEvent) => {
    const [b, p] = [button.current, panel.current];
    if (!b || !p) return;
    if (event.newState !== "open") return setOpen(false);
    const at = b.getBoundingClientRect();
    const top = at.bottom + 4 + p.offsetHeight < innerHeight ? at.bottom + 4 : Math.max(8, at.top - 4 - p.offsetHeight);
    p.style.top = `${top}px`;
    p.style.left = `${Math.max(8, Math.min(at.right - p.offsetWidth, innerWidth - p.offsetWidth - 8))}px`;
    items()[0]?.focus();
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (!isMenu) return;
    const all = items();
    const at = all.indexOf(document.activeElement as HTMLElement);
    const target = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (target !== undefined) {
      event.preventDefault();
      all.at(target % all.length)?.focus();
    } else if (event.key === "Tab") {
      panel.current?.hidePopover();
    }
  };

  return (
    <>
      <button
        ref={button}
        type="button"
        class={text ? "button" : "plain"}
        aria-label={text ? undefined : label}
        title={text ? undefined : label}
        aria-haspopup={isMenu ? "menu" : "dialog"}
        aria-expanded={isOpen}
        popovertarget={id}
      >
        <Icon name={icon} />
        {text}
      </button>
      <div ref={panel} id={id} popover="auto" class={isMenu ? "menu" : "panel"} role={isMenu ? "menu" : "dialog"} aria-label={label} onBeforeToggle={(event) => event.newState === "open" && setOpen(true)} onToggle={onToggle} onKeyDown={onKeyDown}>
        {isOpen && children(close)}
      </div>
    </>
  );
}
