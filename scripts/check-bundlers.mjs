// Bundles the packed packages with esbuild, rollup and vite: what a page pays stays within the budgets, and what comes out
// runs in Chromium, in a page and in a module worker, under a Content Security Policy that allows neither `eval` nor
// inline scripts.
import assert from "node:assert/strict";
import { cpSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import path from "node:path";
import { gzipSync } from "node:zlib";
import * as esbuild from "esbuild";
import { chromium } from "playwright";
import { rollup } from "rollup";
import { build as viteBuild } from "vite";
import { chromiumOptions } from "../packages/test-utils/src/chromium.ts";
import { emptyProject, packAll, readJson, root, runSteps } from "./lib.mjs";

const POLICY = "default-src 'none'; script-src 'self'";

const project = emptyProject(packAll());
cpSync(path.join(root, "scripts/bundlers"), project, { recursive: true });

const { resolve } = createRequire(path.join(project, "package.json"));

const minified = {
  bundle: true,
  minify: true,
  write: false,
  format: "esm",
  target: "es2022",
  logLevel: "silent",
};

/** What comes out of an entry, by its name: one text each, minified. */
const bundlers = {
  async esbuild(entries, external) {
    const { outputFiles } = await esbuild.build({
      entryPoints: entries,
      outdir: project,
      ...minified,
      external,
    });
    return Object.fromEntries(outputFiles.map(({ path: file, text }) => [path.basename(file, ".js"), text]));
  },

  /** It neither looks into node_modules nor minifies by itself; esbuild does, as it does for many of its users. */
  async rollup(entries, external) {
    const installed = {
      name: "installed",
      resolveId: (id) => (id.startsWith("@scope/") ? resolve(id) : null),
    };
    const outputs = Object.entries(entries).map(async ([name, input]) => {
      const bundle = await rollup({ input, external, plugins: [installed] });
      const { output } = await bundle.generate({ format: "es" });
      const { outputFiles } = await esbuild.build({
        stdin: { contents: output[0].code },
        ...minified,
        external,
      });
      return [name, outputFiles[0].text];
    });
    return Object.fromEntries(await Promise.all(outputs));
  },

  async vite(entries, external) {
    const outputs = Object.entries(entries).map(async ([name, input]) => {
      const { output } = await viteBuild({
        root: project,
        configFile: false,
        logLevel: "silent",
        build: {
          write: false,
          target: "es2022",
          modulePreload: false,
          rollupOptions: { input, external, preserveEntrySignatures: "strict" },
        },
      });
      return [name, output[0].code];
    });
    return Object.fromEntries(await Promise.all(outputs));
  },
};

const versions = Object.fromEntries(
  Object.keys(bundlers).map((name) => [
    name,
    readJson(path.join(root, "node_modules", name, "package.json")).version,
  ]),
);

/** A file of one line, and where it is. */
function entry(name, code) {
  const file = path.join(project, `${name}.js`);
  writeFileSync(file, `${code}\n`);
  return file;
}

const budgets = readJson(path.join(root, "scripts/budgets.json"));

async function checkSizes(bundle) {
  const sizes = [];
  for (const [index, { what, code, external, limit }] of budgets.entries()) {
    const { size: text } = await bundle({ size: entry(`size-${index}`, code) }, external);
    const size = gzipSync(text, { level: 9 }).length;
    assert.ok(size > 500, `${what}: ${size} bytes cannot be all`);
    assert.ok(size <= limit, `${what}: ${size} bytes, ${limit} are allowed`);
    sizes.push(size);
  }
  return `${sizes.join(", ")} bytes`;
}

/** One import each, as a page has it that needs nothing else. */
const lines = {
  core: "CancellationSource",
  guarded: "spawnGuarded",
  persistent: "PersistentTaskGroup",
  supervisor: "Supervisor",
  taskgroup: "TaskGroup",
};

const type = { "Content-Security-Policy": POLICY, "Content-Type": "text/javascript" };

/** Serves these files; "/page" is a page for the script of that name. */
function serve(files) {
  const server = createServer(({ url }, response) => {
    const name = url.slice(1);
    const script = files[name.replace(/\.js$/, "")];
    // Chromium asks for it, and complains where there is none.
    if (name === "favicon.ico") response.writeHead(204).end();
    else if (script === undefined) response.writeHead(404).end();
    else if (name.endsWith(".js")) response.writeHead(200, type).end(script);
    else {
      response.writeHead(200, { ...type, "Content-Type": "text/html" });
      response.end(`<!doctype html><script type="module" src="/${name}.js"></script>`);
    }
  });
  return new Promise((listening) => {
    server.listen(0, "127.0.0.1", () =>
      listening({ server, url: `http://127.0.0.1:${server.address().port}` }),
    );
  });
}

/** Opens a page, has it do something, and returns that and everything it complained of. */
async function visit(browser, url, act) {
  const page = await browser.newPage();
  const complaints = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.addInitScript(() => {
    globalThis.violations = [];
    globalThis.document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => {
      globalThis.violations.push(`${violatedDirective}: ${blockedURI}`);
    });
  });
  await page.goto(url);
  const result = await page.evaluate(act);
  complaints.push(...(await page.evaluate(() => globalThis.violations)));
  await page.close();
  return { result, complaints };
}

async function checkPage(bundle, browser) {
  const { expected } = await import(path.join(project, "program.js"));
  const files = await bundle(
    { page: path.join(project, "page.js"), worker: path.join(project, "worker.js") },
    [],
  );
  const { server, url } = await serve(files);
  try {
    const { result, complaints } = await visit(browser, `${url}/page`, () => globalThis.outcomes);
    assert.deepEqual(result, [expected, expected]);
    assert.deepEqual(complaints, []);
    return "in a page and in a module worker";
  } finally {
    server.close();
  }
}

async function checkLines(bundle, browser) {
  const entries = Object.entries(lines).map(([name, what]) => [
    name,
    entry(`only-${name}`, `export { ${what} } from "@scope/${name}"`),
  ]);
  const files = await bundle(Object.fromEntries(entries), []);
  const imports = Object.keys(lines).map((name) => `import * as ${name} from "/${name}.js";`);
  files.page = `${imports.join("\n")}\nglobalThis.parts = { ${Object.keys(lines).join(", ")} };`;
  const { server, url } = await serve(files);
  try {
    const { result, complaints } = await visit(browser, `${url}/page`, async () => {
      const { core, guarded, persistent, supervisor, taskgroup } = globalThis.parts;
      const source = new core.CancellationSource();
      const group = taskgroup.TaskGroup.run((tasks) => tasks.spawn(() => "group"), { token: source.token });
      const guardedTask = guarded.spawnGuarded(() => "guarded", { token: source.token });
      return [
        Object.values(globalThis.parts).map((part) => Object.keys(part).join()),
        await Promise.all([
          group,
          guardedTask,
          supervisor.Supervisor.run((owner) => owner.spawn(() => "supervisor"), { token: source.token }),
          persistent.PersistentTaskGroup.run((owner) => owner.spawn(() => "persistent"), {
            token: source.token,
          }),
        ]),
      ];
    });
    const names = ["core", "guarded", "persistent", "supervisor", "taskgroup"];
    assert.deepEqual(result, [
      names.map((name) => lines[name]),
      ["group", "guarded", "supervisor", "persistent"],
    ]);
    assert.deepEqual(complaints, []);
    return "five copies of core side by side";
  } finally {
    server.close();
  }
}

/** What the policy forbids is noticed. */
async function checkPolicy(browser) {
  const { server, url } = await serve({
    page: "try { new Function('return 1'); } catch (error) { globalThis.refused = error.name; }",
  });
  try {
    const { result, complaints } = await visit(browser, `${url}/page`, () => globalThis.refused);
    assert.equal(result, "EvalError");
    assert.ok(complaints.includes("script-src: eval"), complaints.join("\n"));
  } finally {
    server.close();
  }
}

const browser = await chromium.launch(chromiumOptions());
try {
  await runSteps([
    [`Content-Security-Policy: ${POLICY}: refuses eval`, () => checkPolicy(browser)],
    ...Object.entries(bundlers).flatMap(([name, bundle]) => [
      [`${name} ${versions[name]}, sizes`, () => checkSizes(bundle)],
      [`${name} ${versions[name]}, one import each`, () => checkLines(bundle, browser)],
      [`${name} ${versions[name]}, a program on all packages`, () => checkPage(bundle, browser)],
    ]),
  ]);
} finally {
  await browser.close();
}
