import { once } from "node:events";
import { connect as connectTo } from "node:net";

import { Deferred } from "@scope/test-utils";
import { describe, expect, it, onTestFinished } from "vitest";

import { ChatClient } from "../src/chat-client.ts";
import { ChatServer } from "../src/chat-server.ts";
import { Run, openStage } from "./program.ts";

describe(ChatServer.prototype.drain, () => {
  it("closes every connection with 1001 and awaits every task", async () => {
    const { server, connect, log } = await openStage();
    const clients = await Promise.all(Array.from({ length: 20 }, connect));

    await server.drain();

    for (const client of clients) {
      expect(await client.closed).toEqual({ code: 1001, reason: "the server is shutting down" });
    }
    expect(server.health).toMatchObject({ status: "draining", connections: 0 });
    expect(log.at(-1)).toMatchObject({ msg: "everything has ended" });
  });

  it("lets a handler finish what it has begun", async () => {
    const begun = new Deferred<undefined>();
    const gate = new Deferred<undefined>();
    const { server, connect } = await openStage({
      handle: async ({ client }) => {
        begun.resolve(undefined);
        await gate.promise;
        client.send({ type: "told", text: "saved" });
      },
    });
    const ann = await connect();
    ann.say("save");
    await begun.promise;

    const drained = server.drain();
    gate.resolve(undefined);
    await drained;

    expect(ann.events.at(-1)).toEqual({ type: "told", text: "saved" });
    expect(await ann.closed).toMatchObject({ code: 1001 });
  });

  it("takes no more connections, over a connection that is kept alive neither", async () => {
    const gate = new Deferred<undefined>();
    const begun = new Deferred<undefined>();
    const { server, connect } = await openStage({
      handle: () => {
        begun.resolve(undefined);
        return gate.promise;
      },
    });
    const ann = await connect();
    ann.say("wait");
    await begun.promise;
    const { port } = new URL(server.url);
    const early = connectTo(Number(port), "127.0.0.1");
    onTestFinished(() => void early.destroy());
    await once(early, "connect");
    // A request that has begun keeps its connection.
    early.write("GET /chat HTTP/1.1\r\nHost: x\r\n");
    await fetch(`${server.url}/healthz`);

    const drained = server.drain();
    early.write("Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");

    const [answer] = (await once(early, "data")) as [Buffer];
    expect(String(answer)).toMatch(/^HTTP\/1.1 503 /);
    const late = connectTo(Number(port), "127.0.0.1");
    await expect(once(late, "connect")).rejects.toMatchObject({ code: "ECONNREFUSED" });
    gate.resolve(undefined);
    await drained;
  });

  it("waits for a client that does not answer, but not long", async () => {
    const { server, connect } = await openStage({ drainTimeout: 600 });
    const ann = await connect();
    const bob = await connect();
    ann.socket.pause();
    onTestFinished(() => ann.socket.terminate());

    const drained = server.drain();
    await bob.closed;
    expect(server.health.connections).toBeGreaterThan(0);
    await drained;

    expect(server.health.connections).toBe(0);
  });

  it("does not wait for a request that never ends", async () => {
    const { server } = await openStage();
    const slow = connectTo(Number(new URL(server.url).port), "127.0.0.1");
    onTestFinished(() => void slow.destroy());
    slow.on("error", () => undefined);
    await once(slow, "connect");
    slow.write("GET / HTTP/1.1\r\nHost: x\r\n");
    await fetch(`${server.url}/healthz`);

    const closed = once(slow, "close");
    await server.drain();

    await closed;
  });

  it("names who is stuck, and what with", async () => {
    const gate = new Deferred<undefined>();
    const begun = new Deferred<undefined>();
    const { server, connect, log } = await openStage({
      drainTimeout: 50,
      handle: () => {
        begun.resolve(undefined);
        return gate.promise;
      },
    });
    const ann = await connect();
    const bob = await connect();
    bob.say("never mind");
    await begun.promise;

    await expect(server.drain()).rejects.toMatchObject({
      name: "TimeoutError",
      message: expect.stringContaining('"connection 2"') as unknown,
    });

    expect(await ann.closed).toMatchObject({ code: 1001 });
    expect(await bob.closed).toMatchObject({ code: 1006 });
    expect(log).toContainEqual(
      expect.objectContaining({ msg: "a handler is stuck", client: "guest-2", handling: "never mind" }),
    );
    expect(log).not.toContainEqual(expect.objectContaining({ client: "guest-1" }));
    gate.resolve(undefined);
    await server.ended();
  });

  it("interrupts a back-off", async () => {
    const crashed = new Deferred<undefined>();
    const { server } = await openStage({
      announcer: {
        every: 1,
        crashes: () => {
          crashed.resolve(undefined);
          return true;
        },
        backoff: { initial: 1_000_000 },
      },
    });
    await crashed.promise;

    await server.drain();

    expect(server.health.children).toMatchObject([{ status: "stopped" }]);
  });
});

describe("the process", () => {
  it.each([
    ["SIGTERM", 0],
    ["SIGINT", 130],
  ] as const)("drains on %s and exits with %i", async (signal, exitCode) => {
    const run = new Run(["--port", "0"]);
    const url = await run.url();
    const clients = await Promise.all(Array.from({ length: 20 }, () => ChatClient.connect(url)));

    run.kill(signal);

    for (const client of clients) expect(await client.closed).toMatchObject({ code: 1001 });
    expect(await run.ended()).toBe(exitCode);
    expect(run.log.at(-1)).toMatchObject({ msg: "everything has ended" });
  });

  it("exits with 1 within the time it has, naming the handler that is stuck", async () => {
    const run = new Run(["--port=0", "--bugs", "--drain-timeout=300ms"]);
    const ann = await ChatClient.connect(await run.url());
    const eve = await ChatClient.connect(await run.url());
    eve.say("/hang");
    eve.say("not any more");
    ann.say("heard");
    await ann.received("said");

    run.kill("SIGTERM");

    expect(await ann.closed).toMatchObject({ code: 1001 });
    expect(await run.ended()).toBe(1);
    expect(run.log).toContainEqual(
      expect.objectContaining({ msg: "a handler is stuck", client: "guest-2", handling: "/hang" }),
    );
    expect(run.log.at(-1)).toMatchObject({
      msg: "not everything has ended",
      err: { type: "TimeoutError", message: expect.stringContaining('"connection 2"') as unknown },
    });
    expect(await eve.closed).toMatchObject({ code: 1006 });
  });

  it("ends at once on a second signal", async () => {
    const run = new Run(["--port=0", "--bugs", "--drain-timeout=1h"]);
    const eve = await ChatClient.connect(await run.url());
    const ann = await ChatClient.connect(await run.url());
    eve.say("/hang");
    run.kill("SIGTERM");
    await ann.closed;

    run.kill("SIGINT");

    expect(await run.ended()).toBe(130);
  });

  it("that cannot listen says so and exits with 1", async () => {
    const { server } = await openStage();

    const run = new Run(["--port", new URL(server.url).port]);

    expect(await run.ended()).toBe(1);
    expect(run.log).toMatchObject([
      { msg: "cannot go on", err: { message: expect.stringContaining("EADDRINUSE") as unknown } },
    ]);
  });
});
