import { once } from "node:events";
import { connect } from "node:net";

import { Deferred } from "@scope/test-utils";
import { eventually } from "@scope/test-utils/node";
import { RestartLimitError } from "@scope/supervisor";
import { describe, expect, it, onTestFinished } from "vitest";

import { ChatServer, type Health } from "../src/chat-server.ts";
import { openStage, rawSocketOf } from "./program.ts";

const healthOf = async (server: ChatServer): Promise<Health> =>
  (await (await fetch(`${server.url}/healthz`)).json()) as Health;

describe(ChatServer, () => {
  describe("a connection", () => {
    it("hears what all say, itself included, and who comes and goes", async () => {
      const { connect } = await openStage();
      const ann = await connect();
      const bob = await connect();

      bob.say("hello");
      await ann.received("said");
      bob.close();
      await ann.received("left");

      expect(ann.events).toEqual([
        { type: "welcome", name: "guest-1", names: ["guest-1"] },
        { type: "joined", name: "guest-2" },
        { type: "said", name: "guest-2", text: "hello" },
        { type: "left", name: "guest-2" },
      ]);
      expect(bob.events).toEqual([
        { type: "welcome", name: "guest-2", names: ["guest-1", "guest-2"] },
        { type: "said", name: "guest-2", text: "hello" },
      ]);
    });

    it("knows commands", async () => {
      const { connect } = await openStage();
      const ann = await connect();
      const bob = await connect();

      for (const text of ["/nick Ann", "/who", "/nick", "/nope"]) ann.say(text);
      await bob.received("renamed");
      bob.say("/nick Ann");

      await bob.received("told", ({ text }) => text === "Ann is somebody else");
      await ann.received("told", ({ text }) => text === "here are Ann, guest-2");
      await ann.received("told", ({ text }) => text === "a name has 1 to 20 letters, digits, - and _");
      await ann.received("told", ({ text }) => text === "there are /nick, /who, /crash, /hang");
      expect(bob.events).toContainEqual({ type: "renamed", name: "guest-1", to: "Ann" });
    });

    it("whose handler throws is closed alone, and logged with its name and stack", async () => {
      const { server, connect, failures } = await openStage();
      const ann = await connect();
      const eve = await connect();
      const bob = await connect();

      eve.say("/crash");

      expect(await eve.closed).toEqual({ code: 1011, reason: "something went wrong here" });
      bob.say("still here");
      await ann.received("said", ({ text }) => text === "still here");
      expect(failures).toMatchObject([
        {
          level: 50,
          task: "connection 2",
          err: { type: "TypeError", stack: expect.stringContaining("/crash") as unknown },
        },
      ]);
      expect(server.health).toMatchObject({ status: "ok", connections: 2 });
    });

    it.each([
      ["text that is not JSON", "no JSON", "a message that is not JSON"],
      ["JSON that says nothing", "null", 'a message without a text to "say"'],
      ["binary", Buffer.from("{}"), "a binary message"],
    ])("that sends %s is closed for that", async (_, data, reason) => {
      const { connect, failures } = await openStage();
      const eve = await connect();

      eve.socket.send(data);

      expect(await eve.closed).toEqual({ code: 1008, reason });
      await eventually(() =>
        expect(failures).toMatchObject([
          { level: 40, err: { message: expect.stringContaining(reason) as unknown } },
        ]),
      );
    });

    it("that sends a bad frame is closed, and no failure escapes", async () => {
      const { connect, failures } = await openStage();
      const eve = await connect();

      // Reserved bits, a reserved opcode, no mask.
      rawSocketOf(eve).write(Buffer.from([0xff, 0x01, 0x00]));

      expect(await eve.closed).toMatchObject({ code: 1002 });
      await eventually(() => expect(failures).toMatchObject([{ level: 40, task: "connection 1" }]));
    });

    it("that sends a bad frame while it is being closed for something else harms nobody", async () => {
      const thrown = new Deferred<undefined>();
      const { connect, failures } = await openStage({
        drainTimeout: 200,
        handle: ({ text }) => {
          thrown.resolve(undefined);
          throw new Error(text);
        },
      });
      const ann = await connect();
      const eve = await connect();
      eve.say("first");
      eve.socket.pause();
      onTestFinished(() => eve.socket.terminate());
      await thrown.promise;

      rawSocketOf(eve).write(Buffer.from([0xff, 0x01, 0x00]));

      await ann.received("left");
      await eventually(() => expect(failures).toMatchObject([{ err: { message: "first" } }]));
    });

    it("that sends more than it may at once is closed", async () => {
      const { connect } = await openStage();
      const eve = await connect();

      eve.say("x".repeat(20_000));

      expect(await eve.closed).toMatchObject({ code: 1009 });
    });

    it("that breaks is a departure, and no failure", async () => {
      const { server, connect, failures } = await openStage();
      const ann = await connect();
      const eve = await connect();

      rawSocketOf(eve).resetAndDestroy();

      await ann.received("left", ({ name }) => name === "guest-2");
      expect(failures).toEqual([]);
      expect(server.health.connections).toBe(1);
    });

    it("that does not read what it is sent is dropped, and memory stays bounded", async () => {
      const { connect, failures } = await openStage();
      const ann = await connect();
      const eve = await connect();
      rawSocketOf(eve).pause();

      const text = "x".repeat(15_000);
      for (let count = 0; failures.length === 0 && count < 5_000; count += 10) {
        for (let i = 0; i < 10; i++) ann.say(text);
        await ann.received("said", () => true, ann.events.length);
      }

      expect(failures).toMatchObject([
        { task: "connection 2", err: { message: "it does not read what it is sent" } },
      ]);
    });

    it("has its messages handled one after another", async () => {
      const gates = [new Deferred<undefined>(), new Deferred<undefined>()];
      const begun: string[] = [];
      const { connect } = await openStage({
        handle: async ({ client, text }) => {
          begun.push(text);
          await gates[begun.length - 1]?.promise;
          client.send({ type: "told", text });
        },
      });
      const ann = await connect();
      ann.say("first");
      ann.say("second");
      await eventually(() => expect(begun).toEqual(["first"]));

      gates[0]!.resolve(undefined);
      await ann.received("told", ({ text }) => text === "first");
      await eventually(() => expect(begun).toEqual(["first", "second"]));
      gates[1]!.resolve(undefined);
      await ann.received("told", ({ text }) => text === "second");
    });
  });

  describe("the announcer", () => {
    it("is restarted when it crashes, which no connection notices", async () => {
      let due = 0;
      const { server, connect, failures } = await openStage({
        announcer: { every: 5, crashes: () => ++due === 2, backoff: { initial: 5 } },
      });
      const ann = await connect();
      await eventually(() => expect(server.health.children[0]!.restarts).toBe(1));

      await ann.received("announced", () => true, ann.events.length);

      expect(failures).toMatchObject([
        { level: 50, task: "announcer", err: { message: "the announcer has lost the thread" } },
      ]);
      expect(await healthOf(server)).toEqual({
        status: "ok",
        connections: 1,
        messages: 0,
        children: [{ name: "announcer", status: "running", restarts: 1 }],
      });
    });

    it("is seen to back off", async () => {
      const { server } = await openStage({
        announcer: { every: 1, crashes: () => true, backoff: { initial: 1_000_000 } },
      });

      await eventually(async () =>
        expect((await healthOf(server)).children).toEqual([
          { name: "announcer", status: "backing-off", restarts: 1 },
        ]),
      );
    });

    it("ends the chat if it never comes right", async () => {
      const { server, connect } = await openStage({
        announcer: { every: 1, crashes: () => true, backoff: { initial: 0 } },
      });
      const ended = server.ended().catch((error: unknown) => error);
      const ann = await connect().catch(() => undefined);

      expect(await ended).toBeInstanceOf(RestartLimitError);
      if (ann !== undefined) expect(await ann.closed).toMatchObject({ code: 1001 });
    });
  });

  describe("a request", () => {
    it("for the page gets the page and what it needs", async () => {
      const { server } = await openStage();

      for (const [path, type] of [
        ["/", "text/html"],
        ["/?query", "text/html"],
        ["/chat.js", "text/javascript"],
        ["/chat.css", "text/css"],
      ]) {
        const response = await fetch(server.url + path!);
        expect(response.headers.get("content-type")).toBe(`${type!}; charset=utf-8`);
        expect((await response.text()).length).toBeGreaterThan(200);
      }
    });

    it("for something else gets 404, and one that is no GET 405", async () => {
      const { server } = await openStage();

      expect((await fetch(`${server.url}/../package.json`)).status).toBe(404);
      expect((await fetch(`${server.url}/healthz`, { method: "POST" })).status).toBe(405);
    });

    it("for a WebSocket elsewhere is refused", async () => {
      const { server } = await openStage();
      const { port } = new URL(server.url);
      const socket = connect(Number(port), "127.0.0.1");
      onTestFinished(() => void socket.destroy());
      socket.write("GET /elsewhere HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");

      const [answer] = (await once(socket, "data")) as [Buffer];

      expect(String(answer)).toMatch(/^HTTP\/1.1 404 /);
    });
  });

  it("refuses to listen where somebody else does, and leaves nothing", async () => {
    const { server } = await openStage();
    const { port } = new URL(server.url);

    await expect(openStage({ port: Number(port) })).rejects.toMatchObject({ code: "EADDRINUSE" });
  });
});
