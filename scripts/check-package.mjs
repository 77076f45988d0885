// Looks at every published package as the tools of its users do: publint and "are the types wrong".
import { publicPackages, root, run, runSteps } from "./lib.mjs";
import path from "node:path";

const bin = path.join(root, "node_modules", ".bin");

await runSteps(
  publicPackages().flatMap(({ folder, manifest }) => [
    [`${manifest.name} publint`, () => void run(path.join(bin, "publint"), ["--strict"], { cwd: folder })],
    [
      `${manifest.name} types`,
      () => void run(path.join(bin, "attw"), ["--pack", "--profile", "esm-only", "."], { cwd: folder }),
    ],
  ]),
);
