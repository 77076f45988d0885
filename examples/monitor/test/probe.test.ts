import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { type AddressInfo, type Socket, createServer } from "node:net";

import { CancellationSource, CancellationToken, CancelledError } from "@scope/core";
import { rejection } from "@scope/test-utils";
import { temporaryDirectory } from "@scope/test-utils/node";
import { describe, expect, it, onTestFinished } from "vitest";

import { ProbeError } from "../src/errors.ts";
import { probe } from "../src/probe.ts";
import type { Target } from "../src/targets.ts";
import { closedPort, httpTarget, openSilence, openSite } from "./program.ts";

const look = (target: Target): Promise<number> => probe(target, CancellationToken.none);
const failureOf = async (target: Target): Promise<ProbeError> => {
  const error = await rejection(look(target));
  expect(error).toBeInstanceOf(ProbeError);
  return error as ProbeError;
};
/** Of a request that is aborted, "error" is told as well. */
const closing = ({ socket }: IncomingMessage): Promise<unknown> => once(socket, "close");
const watched = { every: 5, timeout: 5_000 };
const tcp = (port: number): Target => ({ ...watched, kind: "tcp", name: "t", host: "127.0.0.1", port });

describe("a probe of a web site", () => {
  it("resolves with the milliseconds until the answer", async () => {
    const { url } = await openSite((_, response) => {
      setTimeout(() => response.end(), 30);
    });

    const ms = await look(httpTarget("t", url));

    // Timers and the clock are of two minds about a millisecond.
    expect(ms).toBeGreaterThanOrEqual(29);
    expect(ms).toBeLessThan(5_000);
  });

  it("makes a connection of its own, and closes it", async () => {
    const site = await openSite();
    const closed: Promise<unknown>[] = [];
    site.server.on("connection", (socket) => closed.push(once(socket, "close")));

    await look(httpTarget("t", site.url));
    await look(httpTarget("t", site.url));

    expect(closed).toHaveLength(2);
    await Promise.all(closed);
  });

  it("does not wait for a body that never ends", async () => {
    const { url, server } = await openSite((_, response) => {
      response.write("for ever");
    });
    const closed = once(server, "request").then(([request]) => closing(request as IncomingMessage));

    expect(await look(httpTarget("t", url))).toBeGreaterThan(0);
    await closed;
  });

  it.each([
    [undefined, 204, undefined],
    [undefined, 301, "status 301, expected 200 to 299"],
    [[200], 204, "status 204, expected 200"],
    [[200, 404], 404, undefined],
    [[200, 404], 500, "status 500, expected 200 or 404"],
  ])("that expects %j and gets %i fails with %j", async (status, answered, message) => {
    const { url } = await openSite((_, response) => response.writeHead(answered).end());
    const target = httpTarget("t", url, { status });

    if (message === undefined) {
      expect(await look(target)).toBeGreaterThan(0);
    } else {
      const failure = await failureOf(target);
      expect(failure.message).toBe(message);
      expect(failure.value).toBeGreaterThan(0);
    }
  });

  it("fails when nobody listens", async () => {
    const port = await closedPort();

    const failure = await failureOf(httpTarget("t", `http://127.0.0.1:${port}/`));

    expect(failure).toMatchObject({ message: `connect ECONNREFUSED 127.0.0.1:${port}`, value: undefined });
  });

  it("fails when the connection breaks", async () => {
    const { url } = await openSite((request) => request.socket.destroy());

    expect(await failureOf(httpTarget("t", url))).toMatchObject({ message: "socket hang up" });
  });

  it("fails when what answers speaks no HTTP", async () => {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.end("220 mail.example.org\r\n");
    }).listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await once(server, "listening");

    const { port } = server.address() as AddressInfo;
    expect((await failureOf(httpTarget("t", `http://127.0.0.1:${port}/`))).message).toMatch(/^Parse Error/);
  });

  it("over TLS fails when what answers does not speak it", async () => {
    const { port } = await openSite();

    expect((await failureOf(httpTarget("t", `https://127.0.0.1:${port}/`))).message).toMatch(
      /SSL|EPROTO|hang up/,
    );
  });

  it("fails when there is no answer in time, and closes the connection", async () => {
    const { url, server } = await openSite(() => undefined);
    const closed = once(server, "request").then(([request]) => closing(request as IncomingMessage));

    expect(await failureOf(httpTarget("t", url, { timeout: 50 }))).toMatchObject({
      message: "no answer within 50 ms",
    });
    await closed;
  });

  it("that is cancelled rejects with the cancellation, and closes the connection", async () => {
    const { url, server } = await openSite(() => undefined);
    const arrived = once(server, "request");
    const source = new CancellationSource();
    const looking = probe(httpTarget("t", url), source.token);
    const [request] = (await arrived) as [IncomingMessage];
    const closed = closing(request);

    source.cancel("enough");

    expect(await rejection(looking)).toBe(source.token.error);
    expect(source.token.error).toBeInstanceOf(CancelledError);
    await closed;
  });
});

describe("a probe of a port", () => {
  it("resolves when there is a connection, which it closes", async () => {
    const { server, port } = await openSite();
    const closed = once(server, "connection").then(([socket]) => once(socket as Socket, "close"));

    expect(await look(tcp(port))).toBeGreaterThan(0);
    await closed;
  });

  it("does not wait for anything to be said", async () => {
    const { port } = await openSilence();

    expect(await look(tcp(port))).toBeGreaterThan(0);
  });

  it("fails when nobody listens", async () => {
    const port = await closedPort();

    expect(await failureOf(tcp(port))).toMatchObject({ message: `connect ECONNREFUSED 127.0.0.1:${port}` });
  });

  it("names the last address that a host of several was tried at", async () => {
    const port = await closedPort();

    const failure = await failureOf({ ...tcp(port), host: "localhost" } as Target);

    expect(failure.message).toMatch(/^connect ECONNREFUSED (127\.0\.0\.1|::1):\d+$/);
  });
});

describe("a probe of this machine", () => {
  it.each([
    ["cpu", { kind: "cpu" }],
    ["memory", { kind: "memory" }],
    ["disk", { kind: "disk", path: "/" }],
  ] as const)("measures the share of %s in use", async (_, what) => {
    const value = await look({ ...watched, name: "t", max: 100, ...what });

    expect(value).toBeGreaterThanOrEqual(0);
    expect(value).toBeLessThanOrEqual(100);
  });

  it("fails above the limit, and tells what was measured", async () => {
    const failure = await failureOf({ ...watched, name: "t", kind: "memory", max: 0.001 });

    expect(failure.message).toBe(`${failure.value!.toFixed(1)} % in use, expected 0.001 % at most`);
  });

  it("fails for a disk that is not there", async () => {
    const path = `${await temporaryDirectory()}/none`;

    const failure = await failureOf({ ...watched, name: "t", kind: "disk", path, max: 90 });

    expect(failure.message).toMatch(/^ENOENT/);
  });

  it("of the processor can be cancelled", async () => {
    const source = new CancellationSource();
    const looking = probe({ ...watched, name: "t", kind: "cpu", max: 100 }, source.token);

    source.cancel();

    expect(await rejection(looking)).toBe(source.token.error);
  });
});
