/** One look at a target. However it ends, no connection is left of it. */
import { statfs } from "node:fs/promises";
import { type ClientRequest, type IncomingMessage, get as httpGet } from "node:http";
import { get as httpsGet } from "node:https";
import { type Socket, connect } from "node:net";
import { cpus, freemem, totalmem } from "node:os";

import { type CancellationToken, TimeoutError, failAfter, sleep } from "@scope/core";

import { ProbeError, describe } from "./errors.ts";
import type { Target } from "./targets.ts";
import { formatTime } from "./time.ts";

/**
 * Resolves with what was measured: milliseconds until the answer, or percent in use. Rejects with `ProbeError` if the target is
 * not as it should be, or did not answer within its `timeout`; with the cancellation.
 */
export async function probe(target: Target, token: CancellationToken): Promise<number> {
  try {
    return await failAfter(target.timeout, (scope) => look(target, scope.token), { token });
  } catch (error) {
    if (!(error instanceof TimeoutError)) throw error;
    throw new ProbeError(`no answer within ${formatTime(target.timeout)}`, { cause: error });
  }
}

function look(target: Target, token: CancellationToken): Promise<number> {
  switch (target.kind) {
    case "http":
      return lookAtHttp(target, token);
    case "tcp":
      return lookAtTcp(target, token);
    case "cpu":
      return atMost(target.max, cpuInUse(Math.min(500, target.timeout / 2), token));
    case "memory":
      return atMost(target.max, 100 * (1 - freemem() / totalmem()));
    case "disk":
      return atMost(target.max, diskInUse(target.path));
  }
}

async function lookAtHttp(target: Target & { kind: "http" }, token: CancellationToken): Promise<number> {
  const get = target.url.startsWith("https:") ? httpsGet : httpGet;
  // A connection of its own each time: to connect is part of what is watched.
  const request = get(target.url, { agent: false, headers: { "User-Agent": "scope-monitor" } });
  const { ms, answer } = await firstAnswer(request, "response", token);
  const { statusCode: status = 0 } = answer as IncomingMessage;
  if (target.status === undefined ? status >= 200 && status < 300 : target.status.includes(status)) return ms;
  const expected = target.status?.join(" or ") ?? "200 to 299";
  throw new ProbeError(`status ${status}, expected ${expected}`, { value: ms });
}

async function lookAtTcp(
  { host, port }: Target & { kind: "tcp" },
  token: CancellationToken,
): Promise<number> {
  return (await firstAnswer(connect(port, host), "connect", token)).ms;
}

/** Waits for the event, and in any case until the connection is closed. */
async function firstAnswer(
  connection: ClientRequest | Socket,
  event: string,
  token: CancellationToken,
): Promise<{ readonly ms: number; readonly answer: unknown }> {
  const begin = performance.now();
  let outcome: { readonly ms: number; readonly answer: unknown } | undefined;
  let failure: unknown = new Error("the connection was closed");
  const forget = token.onCancel(() => connection.destroy());
  connection.once(event, (answer: unknown) => {
    outcome = { ms: performance.now() - begin, answer };
    connection.destroy();
  });
  connection.once("error", (error) => {
    failure = error;
    connection.on("error", () => undefined);
  });
  await new Promise((resolve) => connection.once("close", resolve));
  forget();
  if (outcome !== undefined) return outcome;
  token.throwIfCancelled();
  throw new ProbeError(describe(failure), { cause: failure });
}

async function atMost(max: number, measured: number | Promise<number>): Promise<number> {
  const value = await measured;
  if (value <= max) return value;
  throw new ProbeError(`${value.toFixed(1)} % in use, expected ${max} % at most`, { value });
}

/** What all processors together did for so many milliseconds. */
async function cpuInUse(ms: number, token: CancellationToken): Promise<number> {
  const before = cpuTimes();
  await sleep(ms, token);
  const after = cpuTimes();
  const total = after.total - before.total;
  return total === 0 ? 0 : 100 * (1 - (after.idle - before.idle) / total);
}

function cpuTimes(): { readonly idle: number; readonly total: number } {
  let [idle, total] = [0, 0];
  for (const { times } of cpus()) {
    idle += times.idle;
    for (const time of Object.values(times)) total += time;
  }
  return { idle, total };
}

/** As `df` has it: what only the system may use does not count. */
async function diskInUse(path: string): Promise<number> {
  try {
    const { blocks, bfree, bavail } = await statfs(path);
    const used = blocks - bfree;
    return used === 0 ? 0 : (100 * used) / (used + bavail);
  } catch (error) {
    throw new ProbeError(describe(error), { cause: error });
  }
}
