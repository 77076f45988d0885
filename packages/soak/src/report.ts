/** What a soak tried and found, as text. */
import type { Outcome } from "./soak.ts";
import type { Trend } from "./trend.ts";

/** The names of a tally's columns. */
const COLUMNS = ["spawned", "called", "succeeded", "failed", "cancelled"] as const;

export function report({ books, episodes, seconds, heap, rss, memory, left, findings }: Outcome): string {
  const tallies = [...books.tallies].sort(([a], [b]) => (a < b ? -1 : 1));
  const rows = [
    ["", ...COLUMNS],
    ...tallies.map(([kind, tally]) => [kind, ...COLUMNS.map((column) => String(tally[column]))]),
    ["all", ...COLUMNS.map((column) => String(tallies.reduce((sum, [, tally]) => sum + tally[column], 0)))],
  ];
  const last = memory.at(-1);
  const now = last === undefined ? "" : `, ${megabytes(last.heap)} MB of heap, ${megabytes(last.rss)} MB RSS`;
  return [
    table(rows),
    "",
    ...list("tried", books.tried),
    "",
    ...list("failures told to", books.reporters),
    "",
    `dropped: ${books.dropped} owners, ${books.warned} warnings`,
    `left: ${left.join(", ") || "no timer, no handle, no listener"}`,
    `heap: ${slope(heap)}`,
    `RSS: ${slope(rss)}`,
    `${episodes} episodes in ${seconds.toFixed(1)} s${now}; ${findings.length} findings`,
  ].join("\n");
}

function table(rows: readonly string[][]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
        .join("  "),
    )
    .join("\n");
}

/** What was counted, most often first, in lines of a readable length. */
function list(title: string, map: ReadonlyMap<string, number>): string[] {
  const lines = [`${title}:`];
  for (const [what, count] of [...map].sort(([, a], [, b]) => b - a)) {
    const entry = `  ${what} ${count}`;
    if (lines.length > 1 && lines.at(-1)!.length + entry.length < 120)
      lines.push(`${lines.pop()!},${entry.slice(1)}`);
    else lines.push(entry);
  }
  return lines;
}

function slope({ slope, low, high, samples }: Trend): string {
  return `${bytes(slope)} a second, with 99 % between ${bytes(low)} and ${bytes(high)}, of ${samples} samples`;
}

function bytes(count: number): string {
  return Number.isFinite(count) ? `${Math.round(count)} bytes` : `${count}`;
}

function megabytes(count: number): string {
  return (count / 1e6).toFixed(1);
}
