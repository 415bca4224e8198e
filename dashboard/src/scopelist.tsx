import { Icon } from "./icons";
import { scopeTexts } from "./scopes";

/** All scopes, and which of them a key has. */
export function ScopeList({ has }: { has: readonly string[] }) {
  const all = [...scopeTexts].sort((a, b) => Number(has.includes(b.scope)) - Number(has.includes(a.scope)));
  return (
    <ul class="scope-list">
      {all.map(({ scope, title, text }) => {
        const isHeld = has.includes(scope);
        return (
          <li key={scope} class={isHeld ? "" : "not-held"}>
            {isHeld ? <Icon name="check" /> : <Icon name="close" />}
            <span>
              <span class="hidden">{isHeld ? "May: " : "May not: "}</span>
              <strong>{title}</strong> <code>{scope}</code>
              <span class="hint">{text}</span>
            </span>
          </li>
        );
      })}
    </ul>
  );
}
