import { lstatSync, rmSync } from "node:fs";
import { createConnection } from "node:net";

import { type Address, addresses, codeOf, lives } from "./socket-directory.ts";

/** Removes what processes have left behind that were killed, and what is in the place of `own`, if nobody listens there. */
export async function removeStale(own?: Address): Promise<void> {
  // Pipes go with their process.
  if (process.platform === "win32") return;
  await Promise.all(
    addresses().map(async ({ path, pid }) => {
      const stale = path === own?.path || !lives(pid);
      if (stale && lstatSync(path, { throwIfNoEntry: false })?.isSocket() && (await isRefused(path))) {
        rmSync(path, { force: true });
      }
    }),
  );
}

function isRefused(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(false);
    });
    socket.once("error", (error) => {
      resolve(codeOf(error) === "ECONNREFUSED");
    });
  });
}
