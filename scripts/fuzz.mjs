// `pnpm fuzz`: bundles the fuzzer with the sources of the packages, and runs it. See packages/fuzz.
import { spawnSync } from "node:child_process";
import path from "node:path";
import { bundle, root, temporaryFolder } from "./lib.mjs";

const outfile = path.join(temporaryFolder("fuzz"), "main.mjs");
await bundle(path.join(root, "packages/fuzz/src/main.ts"), outfile);
const { status } = spawnSync(
  process.execPath,
  ["--enable-source-maps", outfile, ...process.argv.slice(2).filter((argument) => argument !== "--")],
  { cwd: root, stdio: "inherit" },
);
process.exitCode = status ?? 1;
