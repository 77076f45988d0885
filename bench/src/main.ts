/**
 * The comparison with every peer. `pnpm bench`: the short form, on the running Node. `pnpm bench --full`: on every runtime, into
 * `docs/performance.md` and its charts.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { bundle } from "./bundle.ts";
import { measureImports, measureSizes } from "./imports.ts";
import { full, short, tiny } from "./plan.ts";
import { writeDocument } from "./report/document.ts";
import { printed } from "./report/terminal.ts";
import type { Results } from "./results.ts";
import { readCatalogue, runAll } from "./run.ts";
import { type Runtime, fetchRuntime, running } from "./runtimes.ts";

const USAGE = `pnpm bench [options]
  --full               every size and runtime, several processes each; writes docs/performance.md and its charts
  --tiny               a few tasks each, to see that it runs
  --work a,c           these works alone (a to k)
  --peer taskgroup     these peers alone, by a part of their names; again for more
  --runtimes a,b       others than node@24.21.0,bun@1.4.4 beside the running Node; "" for none
  --processes n        processes for each peer, work and size
  --docs folder        where --full writes to
  --json file          writes what was measured
  --from file          measures nothing: reports what such a file says`;

const { values } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== "--"),
  options: {
    full: { type: "boolean", default: false },
    tiny: { type: "boolean", default: false },
    work: { type: "string", default: "" },
    peer: { type: "string", multiple: true, default: [] },
    runtimes: { type: "string" },
    processes: { type: "string" },
    docs: { type: "string", default: path.join(import.meta.dirname, "..", "..", "docs") },
    json: { type: "string" },
    from: { type: "string" },
    help: { type: "boolean", short: "h", default: false },
  },
});

function tell(progress: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${progress}`);
}

async function measure(): Promise<Results> {
  const plan = values.tiny ? tiny : values.full ? full : short;
  const pinned = values.runtimes ?? (values.full ? "node@24.21.0,bun@1.4.4" : "");
  const letters = values.work.split(",").filter((letter) => letter !== "");
  const runtimes: Runtime[] = [
    running,
    ...pinned
      .split(",")
      .filter((name) => name !== "")
      .map(fetchRuntime),
  ];
  const wants = (letter: string): boolean => letters.length === 0 || letters.includes(letter);

  const bundles = await bundle();
  const catalogue = await readCatalogue(bundles);
  const cells = runAll(
    bundles,
    catalogue,
    runtimes,
    values.processes === undefined ? plan : { ...plan, processes: Number(values.processes) },
    { letters, peers: values.peer },
    tell,
  );
  const imports = wants("k") ? measureImports(bundles, runtimes, plan.imports, tell) : [];
  const sizes = wants("k") ? await measureSizes() : [];
  tell("");
  const [cpu] = os.cpus();
  const memory = Math.round(os.totalmem() / 2 ** 30);
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: `${os.cpus().length} x ${cpu?.model.trim() ?? "unknown processor"}, ${memory} GiB, ${os.type()} ${os.arch()}`,
    runtimes: runtimes.map(({ name }) => name),
    peers: catalogue.peers.map(({ name, kind, lacks, weaker, ownKind }) => ({
      name,
      kind,
      ...(lacks && { lacks }),
      ...(weaker && { weaker }),
      ...(ownKind && { ownKind }),
    })),
    versions: versions(),
    cells,
    imports,
    sizes,
  };
}

/** Of the peers, as pinned. */
function versions(): Record<string, string> {
  const { dependencies } = JSON.parse(
    readFileSync(path.join(import.meta.dirname, "..", "package.json"), "utf8"),
  ) as { dependencies: Record<string, string> };
  return Object.fromEntries(Object.entries(dependencies).filter(([name]) => !name.startsWith("@scope/")));
}

if (values.help) console.log(USAGE);
else {
  if (values.from !== undefined && !existsSync(values.from)) throw new Error(`There is no ${values.from}`);
  const results =
    values.from === undefined ? await measure() : (JSON.parse(readFileSync(values.from, "utf8")) as Results);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results)}\n`);
  if (values.full) {
    mkdirSync(values.docs, { recursive: true });
    writeDocument(results, values.docs);
  }
  console.log(printed(results));
}
