import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import ts from "typescript";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type Document,
  type Snippet,
  anchorsOf,
  hasLines,
  linksOf,
  readDocuments,
  readSnippets,
  root,
} from "./documents.ts";
import { consumerProgram, examplesOf, exportsOf, packages } from "./public-types.ts";

const snippets = readSnippets();
const documents = readDocuments();
const published = documents.filter(({ text }) => !text.includes("This package is not published yet"));
const blocks = published.flatMap((document) => document.blocks);
const textOf = (name: string): string => documents.find((document) => document.name === name)?.text ?? "";

async function run(file: string): Promise<string> {
  const node = ["--conditions=@scope/source", "--import", "tsx", file];
  const env = { PATH: process.env["PATH"] };
  const { stdout } = await promisify(execFile)(process.execPath, node, { cwd: root, env });
  return stdout;
}

describe.concurrent("a snippet", { timeout: 60_000 }, () => {
  const programs = snippets.filter(({ output }) => output !== undefined);

  it.each(programs.map(({ file, output }) => [path.basename(file), file, output] as const))(
    "%s prints what it says",
    async (_, file, output) => {
      expect(await run(file)).toBe(output);
    },
  );

  it.each(snippets.map((snippet) => [path.basename(snippet.file), snippet] as const))(
    "%s is shown in a document",
    (_, { texts }) => {
      const shown = blocks.some(({ text }) => texts.some((one) => hasLines(one, text)));
      expect(shown).toBe(true);
    },
  );
});

describe("a code block of a document", () => {
  it("is labelled with a language that is checked, or needs no check", () => {
    const known = ["ts", "js", "text", "sh", "console", "html", ""];
    expect(blocks.filter(({ language }) => !known.includes(language))).toEqual([]);
  });

  /** Snippets that contain a block, found by the block. */
  const sources = new Map(
    blocks
      .filter(({ language }) => language === "ts" || language === "js")
      .map((block) => [
        block,
        snippets.filter(({ texts }) => texts.some((one) => hasLines(one, block.text))),
      ]),
  );

  it("in TypeScript or JavaScript is part of a snippet that runs", () => {
    const strangers = Array.from(sources).filter(([, found]) => found.length === 0);
    expect(strangers.map(([{ where, text }]) => `${where}\n${text}`)).toEqual([]);
  });

  it("of output is what the program before it prints, all of it", () => {
    const wrong: string[] = [];
    for (const { name, blocks } of published) {
      const shown = new Map<Snippet, string>();
      let program: Snippet | undefined;
      for (const block of blocks) {
        if (sources.has(block)) program = sources.get(block)?.find(({ output }) => output !== undefined);
        if (block.language !== "text") continue;
        if (program === undefined) wrong.push(block.where);
        else shown.set(program, (shown.get(program) ?? "") + block.text);
      }
      for (const [{ file, output }, text] of shown) {
        if (text !== output) wrong.push(`${name}, of ${path.basename(file)}: ${text}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it("of commands names scripts that there are", () => {
    const { scripts } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as {
      scripts: Record<string, string>;
    };
    const commands = blocks
      .filter(({ language }) => language === "sh")
      .flatMap(({ text }) =>
        Array.from(text.matchAll(/pnpm(?:@12)? (?:run )?([\w:-]+)/g), ([, name = ""]) => name),
      );
    expect(commands.length).toBeGreaterThan(0);
    const own = ["install", "exec"];
    expect(commands.filter((name) => !(name in scripts) && !own.includes(name))).toEqual([]);
  });
});

describe("a link of a document", () => {
  const local = documents.flatMap((document) =>
    linksOf(document)
      .filter((target) => !/^[a-z]+:/.test(target))
      .map((target) => ({ document, target })),
  );

  function isBroken({ document, target }: { document: Document; target: string }): boolean {
    const [file = "", anchor] = target.split("#");
    const name = file === "" ? document.name : path.posix.join(path.posix.dirname(document.name), file);
    if (!existsSync(path.join(root, name))) return true;
    return anchor !== undefined && !anchorsOf(textOf(name)).includes(anchor);
  }

  it("leads to a file and a heading that there are", () => {
    expect(local.length).toBeGreaterThan(10);
    expect(local.filter(isBroken).map(({ document, target }) => `${document.name}: ${target}`)).toEqual([]);
  });
});

describe("what the documents claim of the tests", () => {
  /** A link to a test file has the name of a test in it as its text. */
  const claims = documents.flatMap(({ name, text }) =>
    Array.from(text.matchAll(/\[([^\]]+)\]\(([^)\s]+\.test\.ts)\)/g), ([, title = "", file = ""]) => ({
      name,
      file: path.posix.join(path.posix.dirname(name), file),
      title: title.replace(/\s+/g, " "),
    })),
  );

  it("is a test of that name", () => {
    expect(claims.length).toBeGreaterThan(10);
    const missing = claims.filter(
      ({ file, title }) =>
        !existsSync(path.join(root, file)) || !readFileSync(path.join(root, file), "utf8").includes(title),
    );
    expect(missing).toEqual([]);
  });
});

describe("the public types", { timeout: 60_000 }, () => {
  /** What the examples in the comments take for granted. */
  const surroundings = `
    declare const url: string, urls: string[], files: string[], id: number, key: string;
    declare const scope: TaskScope, token: CancellationToken;
    declare const logger: { error(...args: unknown[]): void };
    declare const cache: { get(key: string, token: CancellationToken): Promise<string> };
    declare const process: {
      on(event: string, listener: () => void): void;
      once(event: string, listener: () => void): void;
    };
    declare function download(url: string, token: CancellationToken): Promise<string>;
    declare function heartbeat(token: CancellationToken): Promise<void>;
    declare function measure(file: string, token: CancellationToken): Promise<number>;
    declare function fetchUser(id: number, token: CancellationToken): Promise<{ name: string }>;
    declare function fetchOrders(id: number, token: CancellationToken): Promise<string[]>;
    declare function ingest(group: TaskGroup): Promise<void>;
    declare const server: { on(event: string, listener: (socket: object) => void): void };
    declare const shutdown: CancellationSource;
    declare function consumeQueue(token: CancellationToken): Promise<void>;
    declare function handle(socket: object, token: CancellationToken): Promise<void>;
    declare function show(...args: unknown[]): void;
    declare const primary: string, replica: string;
    declare function ask(host: string, token: CancellationToken): Promise<string>;
    declare const button: { addEventListener(event: string, listener: () => void): void };
    declare const config: object | undefined;
    declare function save(id: number, token: CancellationToken): Promise<void>;
    declare function relayMessages(token: CancellationToken): Promise<void>;
    declare function listen(port: number): Promise<{ close(): void }>;
    declare const group: PersistentTaskGroup, targets: string[];
    declare function probe(target: string, token: CancellationToken): Promise<void>;
    declare function again(task: Task<unknown>, token: CancellationToken): Promise<void>;
    declare function tick(token: CancellationToken): Promise<void>;
    declare function subscribe(channel: string, listener: (message: unknown) => void): void;
    declare function count(status: string): void;
    declare function afterEach(hook: () => Promise<void>): void;
    // Of a second entry.
    declare function traceTasks(): () => void;
    declare const store: Service, probes: Service, web: Service;
  `;
  const examples = packages.flatMap(({ folder }) => examplesOf(folder));
  let program: ts.Program;
  let checked: { where: string; problems: string[] }[];

  beforeAll(() => {
    const door = path.join(import.meta.dirname, "door.ts");
    const doors = packages.map(({ name }) => `import "${name}";`);
    const exported = consumerProgram(new Map([[door, doors.join("\n")]]));
    // Two packages may export types of one name.
    const taken = new Set<string>();
    const imports = packages.map(({ name, entry }) => {
      const all = exportsOf(exported, entry).map((one) => one.name);
      const names = all.filter((one) => !taken.has(one));
      for (const one of names) taken.add(one);
      return `import { ${names.join(", ")} } from "${name}";`;
    });
    const files = new Map(
      examples.map(({ code }, index) => [
        path.join(import.meta.dirname, `example-${index}.ts`),
        `${imports.join("\n")}\n${surroundings}\nexport async function example() {\n${code}\n}`,
      ]),
    );
    program = consumerProgram(files);
    checked = Array.from(files.keys(), (file, index) => {
      const source = program.getSourceFile(file);
      const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
      const problems = found.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
      return { where: examples[index]!.where, problems };
    });
  }, 60_000);

  it("accept every example in the comments", () => {
    expect(examples.length).toBeGreaterThan(5);
    expect(checked.filter(({ problems }) => problems.length > 0)).toEqual([]);
  });

  it("reject an example that names something internal", () => {
    const file = path.join(import.meta.dirname, "internal.ts");
    const text = 'import { TaskScope } from "@scope/core"; new TaskScope()._expired;';
    const users = consumerProgram(new Map([[file, text]]));
    expect(users.getSemanticDiagnostics(users.getSourceFile(file))).toHaveLength(1);
  });

  it.each(packages)("of $name are all named in its README, options included", ({ folder, entry }) => {
    const readme = textOf(`packages/${path.basename(folder)}/README.md`);
    const names = exportsOf(program, entry).flatMap(({ name, options }) => [name, ...options]);
    expect(names.length).toBeGreaterThan(0);
    expect(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(readme))).toEqual([]);
  });
});

describe("where Symbol.dispose and Symbol.asyncDispose are unknown", () => {
  it("the packages load, and run everything but `await using`", async () => {
    const { outputFiles } = await build({
      stdin: {
        contents: `
          import { CancellationSource, sleep } from "@scope/core";
          import { runMain, spawn, stopBackgroundTasks } from "@scope/guarded";
          import { Supervisor, asCompleted, gather, race } from "@scope/supervisor";
          import { TaskGroup } from "@scope/taskgroup";
          const source = new CancellationSource();
          export const sum = await TaskGroup.run(async (group) => {
            const one = group.spawn((token) => sleep(1, token).then(() => 1));
            return (await one) + (await group.spawn(() => 2));
          }, { token: source.token });
          export const others = await Supervisor.run(async (supervisor) => {
            supervisor.supervise((token) => sleep(60_000, token), { name: "child" });
            const { value } = await race([() => 1, (token) => sleep(60_000, token).catch(() => ({}))]);
            const [settled] = await gather([() => 2]);
            const step = await asCompleted([() => 3]).next();
            supervisor.cancel();
            return [value, settled.value, step.value.result()];
          });
          export let code;
          await runMain(() => void spawn((token) => sleep(60_000, token)), { exit: (n) => (code = n) });
          spawn((token) => sleep(60_000, token));
          await stopBackgroundTasks({ timeout: 60_000 });
        `,
        resolveDir: import.meta.dirname,
      },
      bundle: true,
      write: false,
      format: "esm",
      target: "es2022",
      conditions: ["@scope/source"],
      define: { "Symbol.dispose": "undefined", "Symbol.asyncDispose": "undefined" },
    });
    const code = outputFiles[0]!.text;
    expect(code).not.toMatch(/Symbol\.(dispose|asyncDispose)/);
    const module = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as {
      sum: number;
      others: number[];
      code: number;
    };
    expect(module.sum).toBe(3);
    expect(module.others).toEqual([1, 2, 3]);
    expect(module.code).toBe(0);
  });
});
