/** The peers and the program that times them, bundled as a page or a server would have them. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import type { Peer } from "./peer.ts";

const folder = import.meta.dirname;

/** The files of `peers/`, without their ending. */
export const peerFiles = readdirSync(path.join(folder, "peers"))
  .filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts"))
  .map((file) => path.basename(file, ".ts"));

/**
 * Bundles from the sources, into a folder that goes with this process. tsx would have every inner function keep its name, by a
 * call each time one is made, and the figures would be of little else.
 */
export async function bundle(): Promise<string> {
  const outdir = mkdtempSync(path.join(tmpdir(), "scope-comparison-"));
  process.on("exit", () => {
    rmSync(outdir, { recursive: true, force: true });
  });
  await build({
    entryPoints: ["child", ...peerFiles.map((file) => `peers/${file}`)].map((file) =>
      path.join(folder, `${file}.ts`),
    ),
    outdir,
    outbase: folder,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    // What two peers share, core above all, is loaded once; what only others need, not at all.
    splitting: true,
    format: "esm",
    platform: "node",
    target: "es2022",
    conditions: ["@scope/source"],
    external: ["bun:*"],
    logLevel: "error",
  });
  return outdir;
}

export async function importPeers(bundles: string, file: string): Promise<Peer[]> {
  const module = (await import(pathToFileURL(path.join(bundles, "peers", `${file}.mjs`)).href)) as {
    peers: Peer[];
  };
  return module.peers;
}

export async function loadPeers(bundles: string): Promise<Peer[]> {
  return (await Promise.all(peerFiles.map((file) => importPeers(bundles, file)))).flat();
}
