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

const isBreaking = ({ type, oldVersion }) =>
  type === "major" || (type === "minor" && oldVersion.startsWith("0."));

/**
 * Ranges below 1.0 end at the next minor. Changesets takes a dependent of a broken core along as a patch, which its users get
 * unasked, with another core in it than the one they have: so whoever breaks core says what becomes of the others.
 */
function checkPlan(releases) {
  if (!releases.some((release) => release.name === core && isBreaking(release))) return "core is not broken";
  const silent = releases.filter(({ name }) => siblings.includes(name)).filter((one) => !isBreaking(one));
  const known = new Set(releases.map(({ name }) => name));
  const names = [...silent.map(({ name }) => name), ...siblings.filter((name) => !known.has(name))];
  assert.deepEqual(names, [], `a changeset breaks ${core}, and so those who depend on it: name them too`);
  return "all are named";
}

const plan = (bump, others) =>
  [core, ...siblings].map((name) => ({ name, type: name === core ? bump : others, oldVersion: "0.1.0" }));

function checkPending() {
  const copy = copyOfTheWorkspace();
  // `status` wants a branch to compare with.
  for (const args of [
    ["add", "--all"],
    ["-c", "user.name=x", "-c", "user.email=x@localhost", "commit", "--quiet", "--message", "x"],
  ]) {
    run("git", args, { cwd: copy });
  }
  run(process.execPath, [cli, "status", "--output", "plan.json"], { cwd: copy });
  return checkPlan(readJson(path.join(copy, "plan.json")).releases);
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
    "one that is said to break its dependents too moves their minors",
    () =>
      expect(
        all("0.1.0", "0.1.0"),
        Object.fromEntries([core, ...siblings].map((name) => [name, "minor"])),
        all("0.2.0", "0.2.0"),
      ),
  ],
  [
    "a new feature of core after 1.0 leaves its dependents alone",
    () => expect(all("1.0.0", "1.0.0"), { [core]: "minor" }, all("1.1.0", "1.0.0")),
  ],
  [
    "a breaking change of core after 1.0 moves its dependents",
    () => expect(all("1.1.0", "1.0.0"), { [core]: "major" }, all("2.0.0", "1.0.1")),
  ],
  ["a breaking change of core is one of its dependents in the pending changesets", checkPending],
  [
    "core breaks alone: refused",
    () => assert.throws(() => checkPlan(plan("minor", "patch")), /name them too/),
  ],
  ["core breaks with its dependents: accepted", () => void checkPlan(plan("minor", "minor"))],
  ["a patch of core alone: accepted", () => void checkPlan(plan("patch", "none"))],
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
