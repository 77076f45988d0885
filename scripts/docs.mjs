// Builds the site (docs), or serves it while it is written: the API reference first, then VitePress.
import { spawn } from "node:child_process";
import path from "node:path";
import { parseArgs } from "node:util";
import { writeApiReference } from "./api-reference.mjs";
import { root } from "./lib.mjs";

const usage = `usage: docs.mjs build [--base /path/]
       docs.mjs dev [--port N]

  build   writes the site to docs/.vitepress/dist
  dev     serves it and follows changes, until Ctrl-C
  --base  where the site will be, below its host: / by default
`;

function fromArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { base: { type: "string" }, port: { type: "string" }, help: { type: "boolean" } },
    });
    const [command, ...more] = positionals;
    if (values.help) return undefined;
    if (!["build", "dev"].includes(command)) throw new Error("say build or dev");
    if (more.length > 0) throw new Error(`what is ${more.join(" ")}?`);
    if (values.base !== undefined && !/^\/(.*\/)?$/.test(values.base)) {
      throw new Error("--base begins and ends with a slash");
    }
    return { command, base: values.base, port: values.port };
  } catch (error) {
    console.error(`docs.mjs: ${error.message}\n${usage}`);
    process.exit(2);
  }
}

const wanted = fromArguments();
if (wanted === undefined) {
  console.log(usage);
} else {
  await writeApiReference();
  const docs = path.join(root, "docs");
  const options = [
    ...(wanted.base === undefined ? [] : ["--base", wanted.base]),
    ...(wanted.port === undefined ? [] : ["--port", wanted.port]),
  ];
  const vitepress = path.join(docs, "node_modules", "vitepress", "bin", "vitepress.js");
  const child = spawn(process.execPath, [vitepress, wanted.command, docs, ...options], { stdio: "inherit" });
  // Ctrl-C reaches the child as well, which is in the same group; other signals are passed on.
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  child.on("exit", (code, signal) => {
    process.exitCode = code ?? (signal === "SIGINT" ? 130 : 1);
  });
}
