const paths = {
  organizations: "M3 14V3.5L9 2v12M9 6h4v8M2 14h12M5 5.5h2M5 8h2M5 10.5h2M11 8.5v0M11 11v0",
  keys: "M10.2 9.3a3.8 3.8 0 1 0-3.5-3.5L2.5 10v3.5H6v-2h2l2.2-2.2ZM11.2 4.8h.01",
  webhooks: "M8 5.5a2 2 0 1 0-1.8-1.1L4.5 8.5M4 10a2 2 0 1 0 1.8 2.5H11M12 14a2 2 0 1 0-1.4-3.4L8.6 6",
  activity: "M1.5 8.5H4L6 3l4 10 2-4.5h2.5",
  usage: "M2.5 12.5a6.3 6.3 0 1 1 11 0M8 10l2.8-3.5",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10ZM10.7 10.7 14 14",
  plus: "M8 3v10M3 8h10",
  more: "M3 7.5v1M8 7.5v1M13 7.5v1",
  edit: "M10.5 3 13 5.5 5.5 13H3v-2.5L10.5 3Z",
  close: "m4 4 8 8M12 4l-8 8",
  copy: "M6 6h7v7H6zM10 6V3H3v7h3",
  check: "m3 8.5 3.5 3.5L13 4.5",
  warning: "M8 2 1.5 13.5h13L8 2ZM8 6.5v3M8 11.7v0",
  down: "m4 6 4 4 4-4",
  left: "M10 3.5 5.5 8l4.5 4.5",
  right: "M6 3.5 10.5 8 6 12.5",
  download: "M8 2v8M4.5 7 8 10.5 11.5 7M3 13.5h10",
  columns: "M2.5 3h11v10h-11zM6.2 3v10M9.8 3v10",
  filter: "M2 4h12M4.5 8h7M6.5 12h3",
  signout: "M6 2.5H3v11h3M10 5l3 3-3 3M13 8H6.5",
  ascending: "M8 13V3.5M4.5 7 8 3.5 11.5 7",
  descending: "M8 3v9.5M4.5 9 8 12.5 11.5 9",
} as const;

export type IconName = keyof typeof paths;

/** A picture that adds nothing to the text beside it. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}
