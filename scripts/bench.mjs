// Runs every package's own benchmarks, each in its own process: `pnpm bench:packages [part of a path ...] [flags for the benchmarks]`.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { bundle, root, temporaryFolder } from "./lib.mjs";

const args = process.argv.slice(2).filter((arg) => arg !== "--");
const flags = args.filter((arg) => arg.startsWith("-"));
const wanted = args.filter((arg) => !arg.startsWith("-"));

const files = ["packages", "examples"]
  .filter((parent) => existsSync(path.join(root, parent)))
  .flatMap((parent) => readdirSync(path.join(root, parent)).map((name) => path.join(parent, name, "bench")))
  .filter((folder) => existsSync(path.join(root, folder)))
  .flatMap((folder) => readdirSync(path.join(root, folder)).map((name) => path.join(folder, name)))
  .filter((file) => file.endsWith(".bench.ts"))
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)));

if (files.length === 0) {
  console.error(wanted.length === 0 ? "there is no benchmark" : `no benchmark matches ${wanted.join(", ")}`);
  process.exit(2);
}

// Bundled from the sources, as the packages are for publishing: tsx would have a benchmark measure little but itself.
const folder = temporaryFolder("bench");
for (const file of files) {
  console.log(`\n${file}`);
  const outfile = path.join(folder, `${path.basename(file, ".ts")}.mjs`);
  await bundle(path.join(root, file), outfile);
  const { status } = spawnSync(process.execPath, ["--expose-gc", "--enable-source-maps", outfile, ...flags], {
    cwd: root,
    stdio: "inherit",
  });
  if (status !== 0) process.exitCode = 1;
}
