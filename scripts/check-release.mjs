// `pnpm check:release`: releases a copy of the workspace, as CI does, to a registry of its own on a loopback port, and looks
// at versions, changelogs and tags, and at what users would install.
import assert from "node:assert/strict";
import { once } from "node:events";
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Worker } from "node:worker_threads";
import { checkContents } from "./contents.mjs";
import { hasPnpm, pnpm, publicPackages, readJson, root, run, runSteps, temporaryFolder } from "./lib.mjs";

if (!hasPnpm) {
  console.error("changesets calls pnpm: run `npx --yes pnpm@12 run check:release`");
  process.exit(2);
}

const stage = temporaryFolder("release");
const copy = path.join(stage, "workspace");
const registry = new Worker(path.join(root, "scripts", "release", "registry.mjs"), {
  workerData: { folder: stage, token: "loopback" },
});
const [port] = await once(registry, "message");
const address = `http://127.0.0.1:${port}/`;

/** Nothing of the caller's: no account of theirs, and no other registry, is within reach. */
const isolated = {
  PATH: process.env.PATH,
  HOME: stage,
  CI: "true",
  TURBO_TELEMETRY_DISABLED: "1",
  npm_config_registry: address, // for changesets, which asks by `npm info` what has been published
  // It would ask the registry about everything that is installed.
  pnpm_config_verify_deps_before_run: "false",
};
writeFileSync(
  path.join(stage, ".npmrc"),
  `registry=${address}\n${address.replace("http:", "")}:_authToken=loopback\nupdate-notifier=false\n`,
);

const git = (...args) => run("git", args, { cwd: copy, env: isolated }).trimEnd();
const script = (name, env) => pnpm(["run", name], { cwd: copy, env: { ...isolated, ...env } });
const tags = () => git("tag").split("\n").filter(Boolean);

function commit(message) {
  git("add", "--all");
  git("commit", "--quiet", "--allow-empty", "--message", message);
}

/** `name@version` of everything that was published, and the manifests by that. */
function published() {
  const file = path.join(stage, "packages.json");
  const documents = existsSync(file) ? readJson(file) : [];
  return new Map(
    documents.flatMap(({ name, versions }) =>
      Object.entries(versions).map(([version, manifest]) => [`${name}@${version}`, manifest]),
    ),
  );
}

const manifestOf = (folder) => readJson(path.join(copy, folder, "package.json"));
const packages = publicPackages().map(({ folder, manifest: { name } }) => ({
  folder: path.relative(root, folder),
  name,
}));
const releases = () => packages.map(({ folder, name }) => `${name}@${manifestOf(folder).version}`).sort();
/** The one that gets a second release. */
const moved = packages.at(-1);

function copyTheWorkspace() {
  const files = run("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: root });
  for (const file of files.split("\0")) {
    if (file !== "" && existsSync(path.join(root, file)))
      cpSync(path.join(root, file), path.join(copy, file));
  }
  git("init", "--quiet", "--initial-branch=main");
  git("config", "user.name", "release");
  git("config", "user.email", "release@localhost");
  commit("All of it");
  pnpm(["install", "--frozen-lockfile", "--prefer-offline"], { cwd: copy });
}

function version() {
  script("version");
  const left = git("status", "--porcelain")
    .split("\n")
    .filter((line) => line.includes(".changeset/"));
  assert.ok(
    left.every((line) => line.startsWith(" D")),
    "a changeset was not used up",
  );
  const manifests = packages.map(({ folder }) => `${folder}/package.json`);
  run(process.execPath, ["node_modules/prettier/bin/prettier.cjs", "--check", ...manifests], { cwd: copy });
  return releases().join(", ");
}

/** With the settings of the workflow, and a GitHub that tells nobody who it is. */
function refuseWithoutProvenance() {
  const workflow = readFileSync(path.join(root, ".github", "workflows", "release.yml"), "utf8");
  assert.match(workflow, /^ +id-token: write/m, "the workflow must not ask who it is");
  const [, provenance] = /^ +pnpm_config_provenance: "(\w+)"/m.exec(workflow) ?? [];
  const github = {
    GITHUB_ACTIONS: "true",
    ACTIONS_ID_TOKEN_REQUEST_URL: `${address}id-token?`,
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: "loopback",
    pnpm_config_provenance: provenance,
  };
  assert.throws(() => script("release", github), /sigstore/, "pnpm has published without provenance");
  assert.match(readFileSync(path.join(stage, "requests"), "utf8"), /^GET \/id-token\?audience=sigstore$/m);
  assert.deepEqual([...published().keys()], []);
  assert.deepEqual(tags(), []);
}

function release() {
  const before = new Set(published().keys());
  script("release");
  const now = published();
  const core = manifestOf("packages/core").version;
  for (const [name, manifest] of now) {
    assert.ok(!JSON.stringify(manifest).includes("workspace:"), `${name} has a workspace range`);
    if (before.has(name)) continue;
    const wanted = manifest.name === "@scope/core" ? undefined : { "@scope/core": `^${core}` };
    assert.deepEqual(manifest.dependencies, wanted, `what ${name} depends on`);
  }
  assert.deepEqual(tags(), [...now.keys()].sort(), "a tag for each version");
  return [...now.keys()].filter((name) => !before.has(name));
}

function releaseAll() {
  const all = releases();
  assert.deepEqual(release().sort(), all);
  return `${all.length} packages`;
}

const project = path.join(stage, "consumer");

function install() {
  mkdirSync(project);
  writeFileSync(path.join(project, "package.json"), '{ "private": true, "type": "module" }\n');
  const options = { cwd: project, env: isolated };
  run("npm", ["install", "--no-audit", "--no-fund", ...packages.map(({ name }) => name)], options);
  for (const { name } of packages) checkContents(project, name);
  copyFileSync(path.join(root, "scripts/consumer/smoke.mjs"), path.join(project, "smoke.mjs"));
  return run(process.execPath, ["smoke.mjs"], options).trim();
}

function moveOne() {
  const { folder, name } = moved;
  writeFileSync(
    path.join(copy, ".changeset", "second.md"),
    `---\n"${name}": patch\n---\n\nFixed a thing that \`users\` could see.\n`,
  );
  commit("Fix a thing");
  const hash = git("rev-parse", "HEAD");
  const before = manifestOf(folder);
  script("version");
  const { version } = manifestOf(folder);
  assert.deepEqual(git("status", "--porcelain").split("\n"), [
    " D .changeset/second.md",
    ` M ${folder}/CHANGELOG.md`,
    ` M ${folder}/package.json`,
  ]);
  assert.deepEqual(manifestOf(folder), { ...before, version });
  const changes = readFileSync(path.join(copy, folder, "CHANGELOG.md"), "utf8");
  const repository = before.homepage.split("/tree/")[0];
  const entry = `# ${name}

## ${version}

### Patch Changes

- Fixed a thing that \`users\` could see. ([${hash.slice(0, 7)}](${repository}/commit/${hash}))

## ${before.version}
`;
  assert.equal(changes.slice(0, entry.length), entry);
  commit("Version");
  assert.deepEqual(release(), [`${name}@${version}`]);
  run("npm", ["install", `${name}@latest`], { cwd: project, env: isolated });
  assert.equal(readJson(path.join(project, "node_modules", name, "package.json")).version, version);
  return `${name} ${before.version} -> ${version}`;
}

function releaseNothing() {
  const before = readFileSync(path.join(stage, "packages.json"), "utf8");
  assert.deepEqual(release(), []);
  assert.equal(readFileSync(path.join(stage, "packages.json"), "utf8"), before);
}

try {
  runSteps(
    [
      ["a copy of the workspace", copyTheWorkspace],
      ["changeset version", version],
      ["commit", () => commit("Version")],
      ["nothing goes out of CI without provenance", refuseWithoutProvenance],
      ["changeset publish", releaseAll],
      ["installed from the registry", install],
      ["a patch of one package moves nothing else", moveOne],
      ["a second changeset publish publishes nothing", releaseNothing],
    ],
    { chained: true },
  );
} finally {
  await registry.terminate();
}
