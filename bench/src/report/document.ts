/** `docs/performance.md`. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { markdownTable } from "markdown-table";
import { judge } from "../goals.ts";
import type { Results } from "../results.ts";
import { type Chart, charts } from "./charts.ts";
import { type Table, goalTable, sizeTable, tablesOf } from "./rows.ts";

function draw({ title, headings, rows, notes }: Table): string {
  const align = headings.map((_, column) => (column === 0 ? "l" : "r"));
  const below = notes.map((note, index) => `[${index + 1}] ${note}`).join("<br>\n");
  const table = markdownTable([headings, ...rows], { align });
  return [`### ${title}`, table, below].filter((part) => part !== "").join("\n\n");
}

/** Prose that the figures cannot say; beside this file, for whoever knows why. */
function prose(name: string): string {
  return readFileSync(path.join(import.meta.dirname, `${name}.md`), "utf8").trim();
}

export function documentOf(results: Results, drawn: readonly Chart[]): string {
  const { date, machine, remark = "", runtimes, versions } = results;
  const peers = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const size = sizeTable(results);
  return `${[
    "# Performance",
    prose("introduction"),
    `Measured on ${date}: ${machine}; ${runtimes.join(", ")}; ${peers.join(", ")}.${remark && ` ${remark}`}`,
    "## Goals",
    ...runtimes.flatMap((runtime) => {
      const verdicts = judge(results, runtime);
      if (verdicts.length === 0) return [];
      const missed = verdicts.filter(({ met }) => !met).length;
      return [
        `### ${runtime}: ${verdicts.length - missed} met, ${missed} missed`,
        markdownTable([goalTable(verdicts).headings, ...goalTable(verdicts).rows], {
          align: ["l", "l", "r", "r", "l", "r", "r"],
        }),
      ];
    }),
    "## Charts",
    ...drawn.map(({ file, title }) => `![${title}](${file})`),
    prose("floors"),
    ...runtimes.flatMap((runtime) => [`## ${runtime}`, ...tablesOf(results, runtime, false).map(draw)]),
    ...(size === undefined ? [] : ["## Size", draw(size)]),
  ].join("\n\n")}\n`;
}

export function writeDocument(results: Results, folder: string): void {
  const drawn = charts(results);
  for (const { file, svg } of drawn) writeFileSync(path.join(folder, file), svg);
  writeFileSync(path.join(folder, "performance.md"), documentOf(results, drawn));
}
