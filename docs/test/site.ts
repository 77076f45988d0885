import { existsSync } from "node:fs";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";

import sirv from "sirv";

export const dist = path.join(import.meta.dirname, "..", ".vitepress", "dist");

export interface Site {
  readonly url: string;
  close(): Promise<void>;
}

/** Serves the site as it was built, and nothing else. */
export async function serveSite(): Promise<Site> {
  if (!existsSync(dist)) throw new Error("the site is not built: pnpm docs:build");
  const files = sirv(dist, { extensions: ["html"] });
  const server: Server = createServer((request, response) => {
    files(request, response, () => {
      response.writeHead(404).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
