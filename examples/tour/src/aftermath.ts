import { setImmediate } from "node:timers/promises";

import { type CancellationToken, sleep } from "@scope/core";

import type { Loopback } from "./loopback.ts";

/** What a server still sees of clients that should have finished. */
export interface Aftermath {
  /** How many connections are open when the time is over. */
  readonly open: number;
  /** How many bytes it has sent meanwhile. */
  readonly sent: number;
  /** How many requests have come meanwhile. */
  readonly requests: number;
}

/** Looks on for so many milliseconds. */
export async function aftermath(server: Loopback, ms: number, token: CancellationToken): Promise<Aftermath> {
  await seen();
  const { sent, requests } = server;
  await sleep(ms, token);
  await seen();
  return { open: server.open, sent: server.sent - sent, requests: server.requests - requests };
}

/** Resolves when the server has seen what its clients have done until now: a few turns of the event loop. */
async function seen(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await setImmediate();
}
