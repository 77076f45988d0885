/** The programs that run the children. */
import { spawnSync } from "node:child_process";

export interface Runtime {
  /** `Node 24.21.0` */
  readonly name: string;
  readonly executable: string;
}

export const running: Runtime = {
  name: `Node ${process.versions.node}`,
  executable: process.execPath,
};

/** From npm: `node@24.21.0`, `bun@1.4.4`. Asked for its path once: npx would take a second each time. */
export function fetchRuntime(pinned: string): Runtime {
  const [kind = "", version = ""] = pinned.split("@");
  const { status, stdout, stderr, error } = spawnSync(
    "npx",
    ["--yes", pinned, "-e", "console.log(process.execPath)"],
    { encoding: "utf8", timeout: 180_000 },
  );
  const executable = stdout.trim().split("\n").at(-1);
  if (error !== undefined) throw error;
  if (status !== 0 || executable === undefined) throw new Error(`${pinned} does not run: ${stderr}`);
  return { name: `${kind === "bun" ? "Bun" : "Node"} ${version}`, executable };
}
