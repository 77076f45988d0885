/**
 * Runs an example program: `pnpm start [program] [--] [arguments]`, `pnpm start --list`. Without a program it is the tour.
 *
 * The program runs in this very process, so that signals reach it and its exit code is the shell's.
 */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

interface Program {
  readonly name: string;
  readonly description: string;
  readonly main: string;
}

const defaultProgram = "tour";
const examples = path.join(import.meta.dirname, "..", "examples");

function findPrograms(): Program[] {
  if (!existsSync(examples)) return [];
  const found: Program[] = [];
  for (const entry of readdirSync(examples, { withFileTypes: true })) {
    const manifestPath = path.join(examples, entry.name, "package.json");
    if (!entry.isDirectory() || !existsSync(manifestPath)) continue;
    const manifest = JSON.parse(readFileSync(manifestPath, "utf8")) as {
      description?: string;
      scope?: { main?: string };
    };
    if (manifest.scope?.main === undefined) continue;
    found.push({
      name: entry.name,
      description: manifest.description ?? "",
      main: path.join(examples, entry.name, manifest.scope.main),
    });
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function refuse(message: string): never {
  console.error(message);
  process.exit(2);
}

const [first, ...rest] = process.argv.slice(2);
const programs = findPrograms();

if (first === "--list") {
  const width = Math.max(0, ...programs.map((program) => program.name.length));
  for (const program of programs) console.log(`${program.name.padEnd(width)}  ${program.description}`);
} else {
  // `pnpm start -- --help` and `pnpm start --help` are for the default program.
  const named = first !== undefined && !first.startsWith("-");
  const name = named ? first : defaultProgram;
  const args = named ? rest : process.argv.slice(2);
  if (args[0] === "--") args.shift();

  const program = programs.find((candidate) => candidate.name === name);
  if (program === undefined) {
    const known = programs.map((candidate) => candidate.name).join(", ");
    refuse(`pnpm start: no program "${name}" (there is ${known}; "pnpm start --list" describes them)`);
  }

  // pnpm runs scripts at the root of the repository; relative paths are meant from where the user stands.
  const caller = process.env["INIT_CWD"];
  if (caller !== undefined && existsSync(caller)) process.chdir(caller);

  process.argv = [process.argv[0] ?? "node", program.main, ...args];
  await import(pathToFileURL(program.main).href);
}
