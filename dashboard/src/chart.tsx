import { count, plural } from "./format";

const dayFormat = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

export interface Day {
  start: Date;
  changes: number;
}

/** Counts times by day in the reader's time zone, up to today. */
export function countDays(times: readonly string[], since: Date | undefined, limit = 30): Day[] {
  const today = new Date();
  const days: Day[] = [];
  for (let back = limit - 1; back >= 0; back--) days.push({ start: new Date(today.getFullYear(), today.getMonth(), today.getDate() - back), changes: 0 });
  for (const time of times) {
    const at = new Date(time);
    const day = days.findLast((d) => d.start <= at);
    if (day) day.changes++;
  }
  return since ? days.filter((d) => d.start.getTime() + 86_400_000 > since.getTime()) : days;
}

const [width, height, gap] = [600, 72, 3];

/** Bars of the changes on each day, with a table for those who do not see them. */
export function Chart({ days }: { days: readonly Day[] }) {
  const most = Math.max(...days.map((d) => d.changes), 1);
  const sum = days.reduce((n, d) => n + d.changes, 0);
  // A few days do not fill the width: their bars stay narrow, at the end.
  const slot = width / Math.max(days.length, 14);
  const left = width - slot * days.length;
  const [first, last] = [days[0], days.at(-1)];
  if (!first || !last) return null;
  return (
    <figure class="chart">
      <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" role="img" aria-label={`${plural(sum, "change")} in ${plural(days.length, "day")}, at most ${count(most)} on one day`}>
        <line x1="0" x2={width} y1={height - 0.5} y2={height - 0.5} />
        {days.map((d, i) => {
          const size = d.changes ? Math.max(2, (d.changes / most) * (height - 6)) : 0;
          return (
            <g key={d.start.getTime()}>
              <title>{`${dayFormat.format(d.start)}: ${plural(d.changes, "change")}`}</title>
              <rect class="slot" x={left + i * slot} y="0" width={slot} height={height} />
              <rect class="bar-of-day" x={left + i * slot + gap / 2} y={height - size} width={Math.max(1, slot - gap)} height={size} />
            </g>
          );
        })}
      </svg>
      <figcaption>
        <span>{left ? `since ${dayFormat.format(first.start)}` : dayFormat.format(first.start)}</span>
        <span>most on one day: {count(most)}</span>
        <span>today</span>
      </figcaption>
      <table class="hidden">
        <caption>Changes on each day</caption>
        <thead>
          <tr>
            <th scope="col">Day</th>
            <th scope="col">Changes</th>
          </tr>
        </thead>
        <tbody>
          {days.map((d) => (
            <tr key={d.start.getTime()}>
              <th scope="row">{dayFormat.format(d.start)}</th>
              <td>{count(d.changes)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </figure>
  );
}
