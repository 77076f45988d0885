// `pnpm soak`: bundles the soak with the sources of the packages, and runs it in this process, so that signals reach it. See
// packages/soak.
import path from "node:path";
import { pathToFileURL } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { stop } from "esbuild";
import { bundle, root, temporaryFolder } from "./lib.mjs";

// What the engine learns about a program it keeps on the heap: for minutes that is more than what the program could leak.
for (const flag of ["--no-opt", "--no-sparkplug", "--no-lazy-feedback-allocation", "--expose-gc"]) {
  setFlagsFromString(flag);
}
globalThis.gc = runInNewContext("gc");

const outfile = path.join(temporaryFolder("soak"), "main.mjs");
await bundle(path.join(root, "packages/soak/src/main.ts"), outfile);
await stop();
await import(pathToFileURL(outfile).href);
