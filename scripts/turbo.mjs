// Turbo without its telemetry, which would announce itself on the first run.
import { spawnSync } from "node:child_process";
import path from "node:path";
import { root } from "./lib.mjs";

const { status, error } = spawnSync(
  process.execPath,
  [path.join(root, "node_modules", "turbo", "bin", "turbo"), ...process.argv.slice(2)],
  { stdio: "inherit", env: { ...process.env, TURBO_TELEMETRY_DISABLED: "1" } },
);
if (error !== undefined) throw error;
process.exitCode = status ?? 1;
