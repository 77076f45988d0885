// Proves that the packages version independently: plays releases in a copy of the manifests.
import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { publicPackages, readJson, root, run, runSteps, temporaryFolder } from "./lib.mjs";

const cli = path.join(root, "node_modules", "@changesets", "cli", "bin.js");
let plays = 0;
const stage = temporaryFolder("versions");

function copyOfTheWorkspace() {
  const copy = path.join(stage, String((plays += 1)));
  mkdirSync(path.join(copy, "packages"), { recursive: true });
  for (const file of ["package.json", "pnpm-workspace.yaml", ".changeset"]) {
    cpSync(path.join(root, file), path.join(copy, file), { recursive: true });
  }
  for (const name of readdirSync(path.join(root, "packages"))) {
    mkdirSync(path.join(copy, "packages", name));
    for (const file of ["package.json", "CHANGELOG.md"]) {
      const original = path.join(root, "packages", name, file);
      if (existsSync(original)) cpSync(original, path.join(copy, "packages", name, file));
    }
  }
  run("git", ["init", "--quiet", "--initial-branch=main"], { cwd: copy });
  return copy;
}

function versionsIn(copy) {
  return Object.fromEntries(
    readdirSync(path.join(copy, "packages"))
      .map((name) => readJson(path.join(copy, "packages", name, "package.json")))
      .map(({ name, version }) => [name, version]),
  );
}

/** Releases `bumps` from the versions `before`; returns the versions after. */
function play(before, bumps) {
  const copy = copyOfTheWorkspace();
  for (const file of readdirSync(path.join(copy, ".changeset"))) {
    if (file.endsWith(".md")) rmSync(path.join(copy, ".changeset", file));
  }
  for (const [name, version] of Object.entries(before)) {
    const file = path.join(copy, "packages", name.replace("@scope/", ""), "package.json");
    writeFileSync(file, `${JSON.stringify({ ...readJson(file), version }, undefined, 2)}\n`);
  }
  const lines = Object.entries(bumps).map(([name, bump]) => `"${name}": ${bump}`);
  writeFileSync(path.join(copy, ".changeset", "play.md"), `---\n${lines.join("\n")}\n---\n\nChanged.\n`);
  run(process.execPath, [cli, "version"], { cwd: copy });
  return versionsIn(copy);
}

const core = "@scope/core";
const siblings = publicPackages()
  .map(({ manifest }) => manifest.name)
  .filter((name) => name !== core);
const all = (coreVersion, version) => ({
  [core]: coreVersion,
  ...Object.fromEntries(siblings.map((name) => [name, version])),
});

function expect(before, bumps, after) {
  const now = play(before, bumps);
  for (const [name, version] of Object.entries(after)) {
    assert.equal(now[name], version, `${name} went from ${before[name]} to ${now[name]}, not to ${version}`);
  }
  return Object.entries(after)
    .map(([name, version]) => `${name} ${before[name]} -> ${version}`)
    .join(", ");
}

runSteps([
  ...siblings.map((name) => [
    `a patch of ${name} leaves the others alone`,
    () => expect(all("0.1.0", "0.1.0"), { [name]: "patch" }, { ...all("0.1.0", "0.1.0"), [name]: "0.1.1" }),
  ]),
  [
    "a patch of core leaves its dependents alone",
    () => expect(all("0.1.0", "0.1.0"), { [core]: "patch" }, all("0.1.1", "0.1.0")),
  ],
  [
    "a breaking change of core before 1.0 moves its dependents",
    () => expect(all("0.1.0", "0.1.0"), { [core]: "minor" }, all("0.2.0", "0.1.1")),
  ],
  [
    "a new feature of core after 1.0 leaves its dependents alone",
    () => expect(all("1.0.0", "1.0.0"), { [core]: "minor" }, all("1.1.0", "1.0.0")),
  ],
  [
    "a breaking change of core after 1.0 moves its dependents",
    () => expect(all("1.1.0", "1.0.0"), { [core]: "major" }, all("2.0.0", "1.0.1")),
  ],
  [
    "the pending changesets make a release",
    () => {
      const copy = copyOfTheWorkspace();
      const before = versionsIn(copy);
      const pending = readdirSync(path.join(copy, ".changeset")).filter((file) => file.endsWith(".md"));
      if (pending.length === 0) return "none pending";
      run(process.execPath, [cli, "version"], { cwd: copy });
      const moved = Object.entries(versionsIn(copy)).filter(([name, version]) => before[name] !== version);
      assert.ok(moved.length > 0, "they move no version");
      return moved.map(([name, version]) => `${name} ${before[name]} -> ${version}`).join(", ");
    },
  ],
]);
