/** Three servers to watch, on the loopback interface, and a file for what is seen, unless there is a database. */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type RequestListener, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

import { type CancellationToken, sleep } from "@scope/core";

import { type Config, type Target, defaults } from "./targets.ts";

export interface Demo extends AsyncDisposable {
  readonly config: Config;
  readonly database: string;
}

/** They serve until disposal, which deletes the file as well. Cancelled, the slow one answers no more. */
export async function openDemo(database: string | undefined, token: CancellationToken): Promise<Demo> {
  const directory = database === undefined ? await mkdtemp(path.join(tmpdir(), "monitor-")) : undefined;
  let [flaky, slow] = [0, 0];
  const servers = await Promise.all([
    listen((_, response) => response.end("well\n")),
    // Five good answers, three bad ones.
    listen((_, response) => {
      response.statusCode = flaky++ % 8 < 5 ? 200 : 503;
      response.end();
    }),
    // As a wave; one in twelve takes too long.
    listen((_, response) => {
      const wave = 350 + 250 * Math.sin(slow / 3);
      sleep(++slow % 12 === 0 ? 2_500 : wave, token).then(
        () => response.end(),
        () => response.destroy(),
      );
    }),
  ]);
  const targets = ["healthy", "flaky", "slow"].map((name, index): Target => ({
    kind: "http",
    name,
    url: `http://127.0.0.1:${(servers[index]?.address() as AddressInfo).port}/`,
    status: [200],
    every: 1_000,
    timeout: 1_500,
  }));
  return {
    config: { ...defaults, targets, backoff: { initial: 500, max: 8_000 } },
    database: database ?? path.join(String(directory), "monitor.db"),
    async [Symbol.asyncDispose]() {
      for (const server of servers) {
        server.close();
        server.closeAllConnections();
      }
      if (directory !== undefined) await rm(directory, { recursive: true });
    },
  };
}

async function listen(listener: RequestListener) {
  const server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}
