/** The tables on a terminal. */
import Table from "cli-table3";
import { judge } from "../goals.ts";
import type { Results } from "../results.ts";
import { type Table as Content, goalTable, sizeTable, tablesOf } from "./rows.ts";

function draw({ title, headings, rows, notes }: Content): string {
  const table = new Table({
    head: headings,
    colAligns: headings.map((_, column) => (column === 0 ? "left" : "right")),
    // Colours are for whoever looks at it; nobody looks at a file.
    style: { head: process.stdout.isTTY ? ["bold"] : [], border: [], compact: true },
  });
  table.push(...rows);
  const below = notes.map((note, index) => `  [${index + 1}] ${note}`);
  return [`\n${title}`, table.toString(), ...below].join("\n");
}

/** Ratios are to `Promise.allSettled` in the same process; the goals come last, where they are seen. */
export function printed(results: Results): string {
  const [size] = [sizeTable(results)];
  return [
    results.machine,
    ...results.runtimes.flatMap((runtime) => {
      const verdicts = judge(results, runtime);
      const missed = verdicts.filter(({ met }) => !met).length;
      return [
        `\n== ${runtime}: processor time of one task; ratios to Promise.allSettled in the same process`,
        ...tablesOf(results, runtime, true).map(draw),
        ...(size === undefined ? [] : [draw(size)]),
        ...(verdicts.length > 0
          ? [draw(goalTable(verdicts)), `${verdicts.length - missed} met, ${missed} missed`]
          : []),
      ];
    }),
  ].join("\n");
}
