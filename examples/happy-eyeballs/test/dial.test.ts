import type { LookupAddress } from "node:dns";
import { once } from "node:events";
import type { Socket } from "node:net";

import { CancellationSource, CancellationToken, type TaskGroupError, TimeoutError } from "@scope/core";
import { Deferred, captureReports, macrotask } from "@scope/test-utils";
import { describe, expect, it, onTestFinished, vi } from "vitest";

import { Attempt } from "../src/attempt.ts";
import { type DialEvent, type DialOptions, dial, interleave } from "../src/dial.ts";
import { Loopback, type Manner, handshake, ipv6Loopback, sharedKey, silent } from "../src/loopback.ts";
import { certificate, key } from "./certificate.ts";
import { fullBacklog } from "./full-backlog.ts";

/** Accepts, which with TCP is all there is to it. */
const answers = silent;
const refuses = undefined;

const resolvesTo =
  (...addresses: readonly string[]) =>
  (): Promise<LookupAddress[]> =>
    Promise.resolve(addresses.map((address) => ({ address, family: address === ipv6Loopback ? 6 : 4 })));

/** Hosts with a manner each, in the order in which a lookup finds them, and a diary of what `dial` tells of them. */
async function network(manners: Record<string, Manner>) {
  const loopback = await Loopback.open(manners);
  onTestFinished(() => loopback[Symbol.asyncDispose]());
  const told: string[] = [];
  const waiting: { what: string; deferred: Deferred }[] = [];
  const onEvent = (event: DialEvent): void => {
    const what = event.type === "resolved" ? "resolved" : `${event.type} ${event.address}`;
    told.push(what);
    for (const { deferred } of waiting.filter((waiter) => waiter.what === what)) deferred.resolve();
  };
  return {
    loopback,
    told,
    /** Resolves as soon as that has been told. */
    until(what: string): Promise<void> {
      const deferred = new Deferred();
      if (told.includes(what)) deferred.resolve();
      waiting.push({ what, deferred });
      return deferred.promise;
    },
    async dial(options: DialOptions = {}): Promise<Socket> {
      const lookup = resolvesTo(...Object.keys(manners));
      const socket = await dial("dual.test", loopback.port, { lookup, onEvent, ...options });
      onTestFinished(() => void socket.destroy());
      return socket;
    },
  };
}

/** So many connections, to one address or in all, are open, says the server there. */
const serverSees = (loopback: Loopback, open: number, address?: string) =>
  vi.waitFor(() => expect(loopback.open(address)).toBe(open), { timeout: 10_000, interval: 1 });

const fakeTimers = () => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });

describe(interleave, () => {
  it.each([
    ["", ""],
    ["4a", "4a"],
    ["6a 6b 6c", "6a 6b 6c"],
    ["6a 6b 4a 4b", "6a 4a 6b 4b"],
    ["4a 4b 6a 6b", "4a 6a 4b 6b"],
    ["6a 6b 6c 6d 4a", "6a 4a 6b 6c 6d"],
    ["6a 4a 4b 4c", "6a 4a 4b 4c"],
    ["4a 6a 6b 4b", "4a 6a 4b 6b"],
  ])("makes of %j %j: families in turns, the best address first", (found, expected) => {
    const addresses = found.split(" ").map((name) => ({ name, family: Number(name[0]) }));
    const names = interleave(addresses).map(({ name }) => name);
    expect(names.join(" ")).toBe(expected);
  });
});

describe(dial, () => {
  it("resolves with a connected socket that has none of its listeners", async () => {
    const { loopback, dial } = await network({ "127.0.0.2": (socket) => void socket.pipe(socket) });

    const socket = await dial();

    expect(socket.remoteAddress).toBe("127.0.0.2");
    expect(socket.remotePort).toBe(loopback.port);
    expect(socket.listenerCount("error") + socket.listenerCount("close")).toBe(0);
    socket.write("echo");
    expect(String((await once(socket, "data"))[0])).toBe("echo");
  });

  it("asks the system where localhost is, if it is given no lookup", async () => {
    await using loopback = await Loopback.open({ [ipv6Loopback]: answers, "127.0.0.1": answers });

    const socket = await dial("localhost", loopback.port);

    expect(["::1", "127.0.0.1"]).toContain(socket.remoteAddress);
    socket.destroy();
  });

  it("tries IPv6 and IPv4 in turns", async () => {
    const { dial, loopback } = await network({ "127.0.0.2": answers });
    const resolved = vi.fn();
    const lookup = resolvesTo("127.0.0.2", "127.0.0.3", ipv6Loopback);

    await dial({ lookup, onEvent: resolved });

    expect(resolved.mock.calls[0]).toEqual([
      { type: "resolved", addresses: ["127.0.0.2", ipv6Loopback, "127.0.0.3"] },
    ]);
    expect(loopback.accepted()).toBe(1);
  });

  it("tries the next address after 250 ms without an answer, and not before", async () => {
    const { dial, told, until } = await network({
      [ipv6Loopback]: silent,
      "127.0.0.2": handshake(sharedKey.server),
    });
    fakeTimers();
    const dialled = dial({ tls: sharedKey.client });
    await until(`started ${ipv6Loopback}`);

    await vi.advanceTimersByTimeAsync(249);
    expect(told).toEqual(["resolved", `started ${ipv6Loopback}`]);
    await vi.advanceTimersByTimeAsync(1);
    expect(told).toEqual(["resolved", `started ${ipv6Loopback}`, "started 127.0.0.2"]);
    await expect(dialled).resolves.toMatchObject({ remoteAddress: "127.0.0.2" });
  });

  it("tries the next address at once when one refuses", async () => {
    const { dial, told } = await network({
      [ipv6Loopback]: refuses,
      "127.0.0.2": refuses,
      "127.0.0.3": answers,
    });

    const socket = await dial({ stagger: Infinity });

    expect(socket.remoteAddress).toBe("127.0.0.3");
    expect(told.filter((what) => !what.startsWith("closed"))).toEqual([
      "resolved",
      `started ${ipv6Loopback}`,
      `failed ${ipv6Loopback}`,
      "started 127.0.0.2",
      "failed 127.0.0.2",
      "started 127.0.0.3",
      "connected 127.0.0.3",
    ]);
  });

  it("waits the whole interval again after one has refused", async () => {
    const { dial, told, until } = await network({
      [ipv6Loopback]: silent,
      "127.0.0.2": refuses,
      "127.0.0.3": silent,
      "127.0.0.4": silent,
    });
    const source = new CancellationSource();
    fakeTimers();
    const dialled = dial({ tls: sharedKey.client, token: source.token });
    await until(`started ${ipv6Loopback}`);
    await vi.advanceTimersByTimeAsync(250);
    await until("started 127.0.0.3");

    await vi.advanceTimersByTimeAsync(249);
    expect(told).not.toContain("started 127.0.0.4");
    await vi.advanceTimersByTimeAsync(1);
    expect(told).toContain("started 127.0.0.4");

    using reports = captureReports();
    source.cancel();
    await expect(dialled).rejects.toBe(source.token.error);
    expect(reports.map(({ error }) => (error as Error).message)).toEqual([
      expect.stringMatching(/^127\.0\.0\.2:\d+: connection refused$/),
    ]);
  });

  it("goes past a listener that never answers because its queue is full", async () => {
    await using full = await fullBacklog("127.0.0.9");
    await using loopback = await Loopback.open({ "127.0.0.10": answers }, full.port);
    const told: string[] = [];
    const onEvent = (event: DialEvent) => told.push(event.type);
    const lookup = resolvesTo("127.0.0.9", "127.0.0.10");

    const socket = await dial("dual.test", full.port, { lookup, stagger: 20, onEvent });

    expect(socket.remoteAddress).toBe("127.0.0.10");
    expect(told).toEqual(["resolved", "started", "started", "connected", "closed"]);
    socket.destroy();
    await loopback.allClosed();
  });
});

describe("a loser of dial", () => {
  it("is closed before dial resolves, and its server has seen that", async () => {
    const { dial, told, loopback } = await network({
      [ipv6Loopback]: silent,
      "127.0.0.2": handshake(sharedKey.server, 60_000),
      "127.0.0.3": handshake(sharedKey.server),
    });

    const socket = await dial({ tls: sharedKey.client, stagger: 10 });

    expect(socket.remoteAddress).toBe("127.0.0.3");
    expect(told.at(-3)).toBe("connected 127.0.0.3");
    expect(told.slice(-2).sort()).toEqual(["closed 127.0.0.2", `closed ${ipv6Loopback}`]);
    await serverSees(loopback, 0, ipv6Loopback);
    await serverSees(loopback, 0, "127.0.0.2");
    expect([loopback.accepted(), loopback.open()]).toEqual([3, 1]);
  });

  it("is closed if it connects at the same moment", async () => {
    const hosts = Object.fromEntries(
      [ipv6Loopback, "127.0.0.2", "127.0.0.3", "127.0.0.4"].map((address) => [address, answers]),
    );
    const { dial, loopback, told } = await network(hosts);

    for (let round = 1; round <= 25; round++) {
      told.length = 0;
      const socket = await dial({ stagger: 0 });

      const started = told.filter((what) => what.startsWith("started")).length;
      const closed = told.filter((what) => what.startsWith("closed")).length;
      expect(closed).toBe(started - 1);
      socket.destroy();
    }
    await serverSees(loopback, 0);
    expect(loopback.accepted()).toBeGreaterThanOrEqual(25);
  });
});

describe("when no address answers, dial", () => {
  it("rejects with an error for each, in the order of failure", async () => {
    const { dial, loopback } = await network({
      [ipv6Loopback]: refuses,
      "127.0.0.2": refuses,
      "127.0.0.77": answers,
    });
    const lookup = resolvesTo(ipv6Loopback, "127.0.0.2");

    const error = await dial({ lookup }).catch((thrown: unknown) => thrown);

    expect((error as TaskGroupError).errors).toMatchObject([
      { name: "AttemptError", address: ipv6Loopback, cause: { code: "ECONNREFUSED" } },
      { name: "AttemptError", address: "127.0.0.2", cause: { code: "ECONNREFUSED" } },
    ]);
    expect((error as Error).message).toContain(`dual.test:${loopback.port}`);
    expect((error as Error).message).toContain(`127.0.0.2:${loopback.port}: connection refused`);
  });

  it.each([
    [
      "does not exist",
      () => Promise.reject(Object.assign(new Error("x"), { code: "ENOTFOUND" })),
      "host not found",
    ],
    ["has no addresses", resolvesTo(), "no addresses"],
  ])("says so if the host %s", async (_, lookup, message) => {
    await expect(dial("dual.test", 1, { lookup })).rejects.toMatchObject({
      name: "LookupError",
      message: `dual.test: ${message}`,
    });
  });

  it.each([0, -1, 65_536, 1.5, NaN])("refuses the port %d before it looks anything up", async (port) => {
    const lookup = vi.fn(resolvesTo("127.0.0.2"));
    await expect(dial("dual.test", port, { lookup })).rejects.toThrow(RangeError);
    expect(lookup).not.toHaveBeenCalled();
  });
});

describe("cancelling dial", () => {
  it("beforehand keeps it from looking anything up", async () => {
    const lookup = vi.fn(resolvesTo("127.0.0.2"));
    const source = new CancellationSource();
    source.cancel("no more");

    await expect(dial("dual.test", 1, { lookup, token: source.token })).rejects.toBe(source.token.error);
    expect(lookup).not.toHaveBeenCalled();
  });

  it("during the lookup ends it at once, whatever comes of the lookup", async () => {
    const found = new Deferred<LookupAddress[]>();
    const source = new CancellationSource();
    const dialled = dial("dual.test", 1, { lookup: () => found.promise, token: source.token });

    source.cancel("no more");
    await expect(dialled).rejects.toBe(source.token.error);
    found.reject(new Error("late"));
    await macrotask();
  });

  it("during the attempts closes all of them before it rejects", async () => {
    const { dial, until, told, loopback } = await network({ [ipv6Loopback]: silent, "127.0.0.2": silent });
    const controller = new AbortController();
    const dialled = dial({ tls: true, stagger: 0, token: controller.signal });
    await until("started 127.0.0.2");
    await serverSees(loopback, 2);

    controller.abort("no more");

    await expect(dialled).rejects.toMatchObject({ name: "AbortError", reason: "no more" });
    expect(told.slice(-2).sort()).toEqual(["closed 127.0.0.2", `closed ${ipv6Loopback}`]);
    await serverSees(loopback, 0);
  });
});

describe("cancelling dial at the moment of the connection", () => {
  it.each([false, true])("leaves no socket but the one it resolves with (TLS: %s)", async (secure) => {
    const manner = secure ? handshake(sharedKey.server) : answers;
    const { dial, loopback } = await network({ [ipv6Loopback]: manner, "127.0.0.2": manner });
    const outcomes = new Set<string>();

    for (let turns = 0; turns < 25; turns++) {
      const source = new CancellationSource();
      const cancelLater = async (): Promise<void> => {
        for (let turn = 0; turn < turns; turn++) await Promise.resolve();
        source.cancel("no more");
      };
      const onEvent = ({ type }: DialEvent): void => {
        if (type === "connected") void cancelLater();
      };
      const tls = secure && sharedKey.client;
      const outcome = await dial({ token: source.token, tls, onEvent }).catch((error: unknown) => error);

      if (outcome === source.token.error) outcomes.add("cancelled");
      else {
        outcomes.add("connected");
        (outcome as Socket).destroy();
      }
      await serverSees(loopback, 0);
    }
    expect([...outcomes].sort()).toEqual(["cancelled", "connected"]);
  });
});

describe("the timeout of dial", () => {
  it("covers the lookup", async () => {
    fakeTimers();
    const dialled = dial("dual.test", 1, { lookup: () => new Promise(() => undefined), timeout: 1_000 });
    const refusal = expect(dialled).rejects.toThrow(TimeoutError);
    await vi.advanceTimersByTimeAsync(1_000);
    await refusal;
    expect(vi.getTimerCount()).toBe(0);
  });

  it("leaves to the attempts what the lookup has not taken, and closes them", async () => {
    const { dial, until, told, loopback } = await network({ "127.0.0.2": silent });
    const found = new Deferred();
    fakeTimers();
    const lookup = () => found.promise.then(resolvesTo("127.0.0.2"));
    const dialled = dial({ tls: true, timeout: 1_000, lookup });
    const refusal = expect(dialled).rejects.toMatchObject({
      name: "TimeoutError",
      timeout: 1_000,
      message: `dual.test:${loopback.port} did not answer within 1000 ms`,
    });
    await vi.advanceTimersByTimeAsync(600);
    found.resolve();
    await until("started 127.0.0.2");

    await vi.advanceTimersByTimeAsync(399);
    expect(told).not.toContain("closed 127.0.0.2");
    await vi.advanceTimersByTimeAsync(1);
    await refusal;
    expect(told.at(-1)).toBe("closed 127.0.0.2");
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
    await serverSees(loopback, 0);
  });
});

describe("with TLS, dial", () => {
  it("checks the certificate against the name of the host, not the address", async () => {
    const names: unknown[] = [];
    const SNICallback = (name: string, done: (error: Error | null) => void) => {
      names.push(name);
      done(null);
    };
    const { dial } = await network({ "127.0.0.2": handshake({ key, cert: certificate, SNICallback }) });

    const socket = await dial({ tls: { ca: certificate } });

    expect(socket).toMatchObject({ authorized: true, remoteAddress: "127.0.0.2" });
    expect(names).toEqual(["dual.test"]);
  });

  it("checks it against the address if that is all there is", async () => {
    await using loopback = await Loopback.open({ "127.0.0.1": handshake({ key, cert: certificate }) });

    const socket = await dial("127.0.0.1", loopback.port, { tls: { ca: certificate } });

    expect(socket).toMatchObject({ authorized: true });
    socket.destroy();
  });

  it("goes on to the next address if a certificate is not trusted or a handshake breaks off", async () => {
    const manner = handshake({ key, cert: certificate });
    const { dial } = await network({
      [ipv6Loopback]: (socket) => void socket.destroy(),
      "127.0.0.2": manner,
    });

    const error = await dial({ tls: true, stagger: Infinity }).catch((thrown: unknown) => thrown);

    expect((error as TaskGroupError).leaves()).toMatchObject([
      { address: ipv6Loopback, cause: { code: "ECONNRESET" } },
      { address: "127.0.0.2", cause: { code: "DEPTH_ZERO_SELF_SIGNED_CERT" } },
    ]);
  });
});

describe(Attempt, () => {
  it("throws from the hand-over what has broken the connection since", async () => {
    const accepted = new Deferred<Socket>();
    await using loopback = await Loopback.open({ "127.0.0.2": (socket) => accepted.resolve(socket) });
    const closed = new Deferred();
    const target = { host: "dual.test", port: loopback.port, tls: undefined };
    const attempt = await Attempt.connect("127.0.0.2", target, CancellationToken.none, (event) => {
      if (event === "closed") closed.resolve();
    });

    (await accepted.promise).resetAndDestroy();
    await closed.promise;

    expect(() => attempt.handOver()).toThrow(/^127\.0\.0\.2:\d+: connection reset by peer$/);
  });
});
