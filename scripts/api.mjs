// `pnpm api [--update]`: what each published package exports, in three forms that are made from its built types, and
// compared with those in the repository: the report that reviewers read (`etc/NAME.api.md`), and in the package a page for
// readers (`API.md`) and a door for tools (`llms.txt`). One for all packages is in `docs/llms.txt`. A package with several entry
// points has a report for each.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { Extractor, ExtractorConfig } from "@microsoft/api-extractor";
import { page, summaryForTools, summaryOfAll } from "./api/pages.mjs";
import { publicPackages, readJson, root, temporaryFolder, usageError } from "./lib.mjs";

let update;
try {
  ({ update } = parseArgs({ options: { update: { type: "boolean", default: false } } }).values);
} catch (error) {
  usageError(error, "pnpm api [--update]");
}

const stage = temporaryFolder("api");

/** What can be imported from a package by name, the package itself first; without those that are imported for what they do. */
function entriesOf({ folder, manifest }) {
  return Object.entries(manifest.exports)
    .filter(([, target]) => target.types !== undefined)
    .map(([subpath, target]) => ({
      specifier: path.posix.join(manifest.name, subpath),
      name: [path.basename(folder), ...subpath.split("/").slice(1)].join("."),
      types: path.join(folder, target.types),
    }))
    .filter(({ types }) => {
      if (!existsSync(types)) throw new Error(`${manifest.name} is not built: run \`pnpm build\` first`);
      return /^export\b/m.test(readFileSync(types, "utf8"));
    });
}

/** The reports and the models of a built package, or a reason why there are none. */
function extract({ folder, manifest }) {
  const entries = entriesOf({ folder, manifest }).map((entry) => extractEntry(folder, manifest, entry));
  return { name: path.basename(folder), folder, manifest, entries };
}

function extractEntry(folder, manifest, { specifier, name, types }) {
  const none = { logLevel: "none" };
  const config = ExtractorConfig.prepare({
    configObjectFullPath: path.join(folder, "api-extractor.json"),
    packageJsonFullPath: path.join(folder, "package.json"),
    configObject: {
      projectFolder: folder,
      mainEntryPointFilePath: types,
      newlineKind: "lf",
      compiler: {
        overrideTsconfig: { extends: path.join(root, "tsconfig.base.json"), ...compilation, files: [types] },
      },
      apiReport: {
        enabled: true,
        includeForgottenExports: true,
        reportFolder: stage,
        reportTempFolder: path.join(stage, "temp"),
        reportFileName: name,
      },
      docModel: {
        enabled: true,
        includeForgottenExports: true,
        apiJsonFilePath: path.join(stage, `${name}.api.json`),
      },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      messages: {
        // Everything is public here, what is not exported is in the report, and links are for the reference to check.
        extractorMessageReporting: { default: { logLevel: "error" }, ...quiet(none) },
        tsdocMessageReporting: { default: none },
        compilerMessageReporting: { default: { logLevel: "error" } },
      },
    },
  });
  const problems = [];
  Extractor.invoke(config, {
    localBuild: true,
    messageCallback(message) {
      if (message.logLevel === "error") problems.push(`${message.messageId}: ${message.text}`);
      message.handled = true;
    },
  });
  if (problems.length > 0) throw new Error(`${manifest.name}\n${problems.join("\n")}`);
  return {
    specifier,
    name,
    report: readFileSync(path.join(stage, `${name}.api.md`), "utf8"),
    model: readJson(path.join(stage, `${name}.api.json`)),
  };
}

/** As a consumer compiles: through `dist`, not through the sources. */
const compilation = {
  compilerOptions: { lib: ["es2022", "esnext.disposable", "dom"], customConditions: [] },
};

function quiet(none) {
  const ids = [
    "missing-release-tag",
    "undocumented",
    "forgotten-export",
    "unresolved-link",
    "misplaced-package-tag",
  ];
  return Object.fromEntries(ids.map((id) => [`ae-${id}`, none]));
}

const packages = publicPackages().map(extract);
const files = new Map(
  packages.flatMap(({ folder, manifest, entries }) => [
    ...entries.map(({ name, report }) => [path.join(root, "etc", `${name}.api.md`), report]),
    [path.join(folder, "API.md"), page(manifest, entries)],
    [path.join(folder, "llms.txt"), summaryForTools(manifest, entries)],
  ]),
);
files.set(path.join(root, "docs", "llms.txt"), summaryOfAll(packages));

const etc = path.join(root, "etc");
mkdirSync(etc, { recursive: true });
const stale = readdirSync(etc)
  .map((file) => path.join(etc, file))
  .filter((file) => file.endsWith(".api.md") && !files.has(file));

/** What would change, as git shows it. */
function difference(file, text) {
  const fresh = path.join(stage, "fresh");
  writeFileSync(fresh, text ?? "");
  const old = existsSync(file) ? file : "/dev/null";
  const { stdout } = spawnSync("git", ["diff", "--no-index", "--no-color", "--", old, fresh], {
    encoding: "utf8",
  });
  return stdout.split("\n").slice(4).join("\n");
}

let changed = 0;
for (const [file, text] of [...files, ...stale.map((name) => [name, undefined])]) {
  const old = existsSync(file) ? readFileSync(file, "utf8") : undefined;
  if (old === text) continue;
  changed += 1;
  const relative = path.relative(root, file);
  if (!update) console.error(`--- ${relative} differs from what is built\n${difference(file, text)}`);
  else if (text === undefined) rmSync(file);
  else writeFileSync(file, text);
  if (update) console.log(`${text === undefined ? "removed" : "wrote"} ${relative}`);
}

if (changed > 0 && !update) {
  console.error(
    "What the packages export, or say of it, has changed. If that is meant, run `npx --yes pnpm@12 run api:update`,\n" +
      "look at the difference in etc/, commit it, and tell users in a changeset.",
  );
  process.exitCode = 1;
} else if (changed === 0) console.log(`${packages.length} packages export what etc/ says`);
