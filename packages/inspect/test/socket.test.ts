import { chmodSync, chownSync, symlinkSync, writeFileSync } from "node:fs";
import { type Server, type Socket, createConnection, createServer } from "node:net";
import { once } from "node:events";
import path from "node:path";

import { Deferred, rejection } from "@scope/test-utils";
import { eventually, temporaryDirectory } from "@scope/test-utils/node";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";

import { connect, inspectable } from "../src/socket.ts";
import { addressOf } from "../src/socket-directory.ts";
import { type Answer, type Request, answerOf } from "../src/socket-protocol.ts";
import { serve } from "../src/socket-server.ts";

const PID = process.pid;

let directory: string;

beforeEach(async () => {
  directory = await temporaryDirectory();
  vi.stubEnv("SCOPE_INSPECT_DIR", directory);
  onTestFinished(() => void vi.unstubAllEnvs());
});

/** A server in this process, that ends with the test. */
async function open(answer: (request: Request) => Promise<Answer> | Answer): Promise<string> {
  const address = addressOf({ pid: PID, thread: 0 });
  const server = await serve(address, async (request) => answer(request));
  closeAfterwards(server);
  return address.path;
}

function closeAfterwards(server: Server): void {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => sockets.add(socket));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
}

/** A client that does what it wants. */
async function dial(file: string): Promise<{ socket: Socket; closed: Promise<unknown>; text: () => string }> {
  const socket = createConnection(file);
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  socket.on("error", () => undefined);
  onTestFinished(() => void socket.destroy());
  const closed = new Promise((resolve) => socket.once("close", resolve));
  await once(socket, "connect");
  return { socket, closed, text: () => text };
}

describe(serve, () => {
  it("answers each line with a line, in order", async () => {
    const file = await open((request) => answerOf(request));
    const { socket, text } = await dial(file);

    socket.write('{"ask":"about"}\n{"ask":"events","since":1,"limit":99999999}\n{"ask":');
    socket.write('"snapshot","more":1}\n');

    await eventually(() => expect(text().split("\n")).toHaveLength(4));
    expect(text()).toBe(
      '{"result":{"ask":"about"}}\n{"result":{"ask":"events","since":1,"limit":10000}}\n{"result":{"ask":"snapshot"}}\n',
    );
  });

  it.each([
    "",
    "hello",
    "null",
    "[]",
    '{"ask":"everything"}',
    '{"ask":"__proto__"}',
    '{"ask":"events"}',
    '{"ask":"events","since":-1,"limit":1}',
    '{"ask":"events","since":1.5,"limit":1}',
    '{"ask":"events","since":1,"limit":"1"}',
  ])("refuses %j, and goes on", async (line) => {
    const file = await open((request) => answerOf(request.ask));
    const { socket, text } = await dial(file);

    socket.write(`${line}\n{"ask":"about"}\n`);

    await eventually(() => expect(text()).toMatch(/^\{"error":"a request [^\n]+\}\n\{"result":"about"\}\n$/));
  });

  it("tells the one who asks what has gone wrong", async () => {
    await open(() => Promise.reject(new Error("no")));
    await using client = await connect(PID);

    await expect(client.snapshot()).rejects.toThrow(`process ${PID}: no`);
  });

  it("hangs up on a line without end", async () => {
    const file = await open((request) => answerOf(request));
    const { socket, closed, text } = await dial(file);

    socket.write("x".repeat(100_000));

    await closed;
    expect(text()).toBe("");
  });

  it("asks for nothing more in behalf of a client that does not read", async () => {
    let asked = 0;
    const large = answerOf("x".repeat(4_000_000));
    const file = await open((request) => {
      if (request.ask === "about") return answerOf("here");
      asked++;
      return large;
    });
    const { socket } = await dial(file);
    socket.pause();

    socket.write('{"ask":"snapshot"}\n'.repeat(2_000));
    await eventually(() => expect(asked).toBe(1));
    // Others go on meanwhile.
    await using other = await connect(PID);
    for (let count = 0; count < 50; count++) expect(await other.about()).toBe("here");

    expect(asked).toBe(1);
  });

  it("stops taking clients at some point, and takes others when those have gone", async () => {
    const file = await open((request) => answerOf(request.ask));
    const clients = await Promise.all(Array.from({ length: 32 }, () => dial(file)));
    for (const { socket } of clients) socket.write('{"ask":"about"}\n');
    await Promise.all(clients.map(({ text }) => eventually(() => expect(text()).not.toBe(""))));

    const refused = await connect(PID);
    expect(await rejection(refused.about())).toMatchObject({ name: "RemoteProcessError" });
    await refused.ended;

    for (const { socket, closed } of clients) {
      socket.destroy();
      await closed;
    }
    await eventually(async () => {
      await using client = await connect(PID);
      expect(await client.about()).toBe("about");
    });
  });

  it("says nothing to one who does not ask", async () => {
    const file = await open((request) => answerOf(request));
    const { socket, closed, text } = await dial(file);

    socket.end();

    await closed;
    expect(text()).toBe("");
  });

  it("takes the place of a dead one, and not of one that lives", async () => {
    const { path: file } = addressOf({ pid: PID, thread: 0 });
    await open((request) => answerOf(request.ask));

    expect(await rejection(open(() => answerOf(0)))).toMatchObject({ code: "EADDRINUSE" });
    await using client = await connect(PID);
    expect(await client.about()).toBe("about");
    expect(file.startsWith(directory)).toBe(true);
  });
});

describe(connect, () => {
  it("knows a process that does not exist from one that is not inspectable", async () => {
    expect(await rejection(connect(2 ** 22 + 1))).toMatchObject({
      name: "RemoteProcessError",
      message: `process ${2 ** 22 + 1} does not exist: scope-inspect ps lists those that do`,
    });
    expect(await rejection(connect(PID))).toMatchObject({
      name: "RemoteProcessError",
      message: `process ${PID} is not inspectable: start it with node --import @scope/inspect/register`,
    });
  });

  it("rejects what is asked when the process ends, and afterwards", async () => {
    const asked = new Deferred();
    await open(() => {
      asked.resolve();
      return new Promise<never>(() => undefined);
    });
    const client = await connect(PID);

    const pending = rejection(client.snapshot());
    await asked.promise;
    await client[Symbol.asyncDispose]();

    await client.ended;
    const ended = { name: "RemoteProcessError", message: `process ${PID} has ended` };
    expect(await pending).toMatchObject(ended);
    expect(await rejection(client.events(1))).toMatchObject(ended);
  });

  it("takes a server that talks nonsense for one that has ended", async () => {
    const server = createServer((socket) => socket.end("nonsense\n"));
    closeAfterwards(server);
    server.listen(addressOf({ pid: PID, thread: 0 }).path);
    await once(server, "listening");

    await using client = await connect(PID);

    expect(await rejection(client.snapshot())).toMatchObject({ message: `process ${PID} has ended` });
  });

  it("does not go into a directory that others may enter", async () => {
    await open((request) => answerOf(request));
    for (const mode of [0o710, 0o701, 0o707, 0o750]) {
      chmodSync(directory, mode);
      await expect(connect(PID)).rejects.toThrow(`${directory} is open to others`);
      await expect(inspectable()).rejects.toThrow(`${directory} is open to others`);
    }
  });

  it("does not follow a symbolic link, to a directory or to a socket", async () => {
    const { path: file } = addressOf({ pid: PID, thread: 0 });
    await open((request) => answerOf(request));
    symlinkSync(file, path.join(directory, "7.sock"));
    const elsewhere = await temporaryDirectory();
    symlinkSync(directory, path.join(elsewhere, "link"));

    await expect(connect(7)).rejects.toThrow(`${directory}/7.sock is no socket of this user`);
    vi.stubEnv("SCOPE_INSPECT_DIR", path.join(elsewhere, "link"));
    await expect(connect(PID)).rejects.toThrow("is a symbolic link");
  });

  it("does not take a file for a socket", async () => {
    writeFileSync(path.join(directory, "7.sock"), "");

    await expect(connect(7)).rejects.toThrow(`${directory}/7.sock is no socket of this user`);
    // Nor does anybody remove it.
    expect(await inspectable()).toEqual([{ pid: 7, thread: 0 }]);
  });

  if (process.getuid?.() === 0) {
    it("trusts no directory and no socket of another user", async () => {
      await open((request) => answerOf(request));
      chownSync(addressOf({ pid: PID, thread: 0 }).path, 65_534, 65_534);
      await expect(connect(PID)).rejects.toThrow("is no socket of this user");

      chownSync(directory, 65_534, 65_534);
      await expect(connect(PID)).rejects.toThrow(`${directory} belongs to user 65534`);
    });
  }
});
