import type { ComponentChildren } from "preact";
import { Icon } from "./icons";

export interface Column<T> {
  name: string; // identifies the column
  title: string;
  cell: (entry: T) => ComponentChildren;
  /** The orders of the list by this column, for the first and the second click. */
  orders?: { first: string; second: string; ascending: string };
  class?: string;
  /** A column of buttons has no visible title. */
  isTitleHidden?: boolean;
  /** Cards show the cell without the title. */
  isObvious?: boolean;
}

interface TableProps<T> {
  label: string;
  columns: Column<T>[];
  entries: readonly T[] | undefined; // undefined while they are read
  id: (entry: T) => string;
  order?: string;
  sort?: (order: string) => void;
  isStale?: boolean;
  /** How many lines stand for entries that are being read. */
  expected?: number;
}

// The roles keep the meaning of a table where a narrow window shows each row as a card.
export function Table<T>({ label, columns, entries, id, order, sort, isStale, expected = 8 }: TableProps<T>) {
  return (
    <div class="table-frame">
      <table role="table" aria-label={label} aria-busy={!entries || isStale} class={isStale ? "stale" : ""}>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map((column) => (
              <Header key={column.name} column={column} order={order} sort={sort} />
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {entries
            ? entries.map((entry) => (
                <tr key={id(entry)} role="row">
                  {columns.map((column, i) => (
                    <td key={column.name} role={i === 0 ? "rowheader" : "cell"} class={column.class} data-title={column.isTitleHidden || column.isObvious ? undefined : column.title}>
                      {column.cell(entry)}
                    </td>
                  ))}
                </tr>
              ))
            : Array.from({ length: expected }, (_, i) => (
                <tr key={i} role="row" aria-hidden="true">
                  {columns.map((column) => (
                    <td key={column.name} role="cell" class={column.class}>
                      <span class="skeleton" />
                    </td>
                  ))}
                </tr>
              ))}
        </tbody>
      </table>
    </div>
  );
}

function Header<T>({ column, order, sort }: { column: Column<T>; order: string | undefined; sort: ((order: string) => void) | undefined }) {
  const { orders } = column;
  const isSorted = orders && (order === orders.first || order === orders.second);
  const isAscending = order === orders?.ascending;
  return (
    <th role="columnheader" scope="col" class={column.class} aria-sort={orders ? (isSorted ? (isAscending ? "ascending" : "descending") : "none") : undefined}>
      {orders && sort ? (
        <button type="button" class="sort" onClick={() => sort(order === orders.first ? orders.second : orders.first)}>
          {column.title}
          {isSorted && <Icon name={isAscending ? "ascending" : "descending"} />}
        </button>
      ) : (
        <span class={column.isTitleHidden ? "hidden" : ""}>{column.title}</span>
      )}
    </th>
  );
}

interface PagerProps {
  prev?: (() => void) | undefined;
  next?: (() => void) | undefined;
  children?: ComponentChildren;
}

// The buttons stay focusable at the ends of the list, so that the focus is not lost there.
export function Pager({ prev, next, children }: PagerProps) {
  return (
    <nav class="pager" aria-label="Pages">
      <span>{children}</span>
      <button type="button" class="button" aria-disabled={!prev} onClick={prev}>
        <Icon name="left" /> Previous
      </button>
      <button type="button" class="button" aria-disabled={!next} onClick={next}>
        Next <Icon name="right" />
      </button>
    </nav>
  );
}

/** The cursors in the header Link. */
export function readLinks(header: string | null): { next?: string; prev?: string } {
  const found: { next?: string; prev?: string } = {};
  for (const [, address, name] of (header ?? "").matchAll(/<([^>]*)>; rel="(next|prev)"/g)) {
    const query = new URL(address ?? "", location.href).searchParams;
    if (name === "next") found.next = query.get("cursor") ?? "";
    else found.prev = query.get("before") ?? "";
  }
  return found;
}
