import type { Socket } from "node:net";

import { describe, expect, it } from "vitest";

import type { ChatClient } from "../src/chat-client.ts";
import { openStage, rawSocketOf } from "./program.ts";

const size = 200;
const hostileCount = size / 100;
const messagesEach = 5;

const misdeeds: Readonly<Record<string, (socket: Socket, client: ChatClient) => void>> = {
  "throwing message": (_, client) => client.say("/crash"),
  "not JSON": (_, client) => client.socket.send("{"),
  "bad frame": (socket) => socket.write(Buffer.from([0xff, 0xff, 0xff])),
  "half a frame": (socket) => socket.end(Buffer.from([0x81, 0xfe, 0x10])),
  "oversized frame": (_, client) => client.say("x".repeat(100_000)),
  "sudden disconnect": (socket) => socket.resetAndDestroy(),
  "disconnect after a message": (socket, client) => {
    client.say("/who");
    socket.resetAndDestroy();
  },
};

describe("200 clients, 1 % of them hostile", () => {
  it("lose nothing: everybody hears everything that the others say, in order", async () => {
    const { server, connect, failures } = await openStage();
    const honest = await Promise.all(Array.from({ length: size - hostileCount }, connect));
    let harm = 0;
    /** Takes its seat again after each misdeed. */
    const misbehave = async (): Promise<void> => {
      for (const commit of Object.values(misdeeds)) {
        const client = await connect();
        commit(rawSocketOf(client), client);
        await client.closed;
        harm++;
      }
    };
    const talk = async (client: ChatClient, index: number): Promise<void> => {
      for (let count = 0; count < messagesEach; count++) {
        const text = `${index}: ${count}`;
        client.say(text);
        await client.received("said", (event) => event.text === text);
      }
    };

    await Promise.all([...honest.map(talk), ...Array.from({ length: hostileCount }, misbehave)]);

    const total = honest.length * messagesEach;
    expect(server.health).toMatchObject({ messages: total });
    // What the last one says comes behind all the rest.
    honest[0]!.say("the end");
    await Promise.all(honest.map((client) => client.received("said", ({ text }) => text === "the end")));
    const spoken = honest.flatMap((_, index) =>
      Array.from({ length: messagesEach }, (_, count) => `${index}: ${count}`),
    );
    const reference = textsOf(honest[0]!);
    expect([...reference].sort()).toEqual([...spoken, "the end"].sort());
    for (const [index, client] of honest.entries()) {
      // In one order for all; and that of each speaker is its own.
      expect(textsOf(client)).toEqual(reference);
      expect(reference.filter((text) => text.startsWith(`${index}: `))).toEqual(
        spoken.slice(index * messagesEach, (index + 1) * messagesEach),
      );
      expect(client.socket.readyState).toBe(client.socket.OPEN);
    }

    expect(harm).toBe(hostileCount * Object.keys(misdeeds).length);
    const kinds = failures.map(({ err }) => err!.message).join("\n");
    expect(kinds).toContain("Cannot read properties of undefined (reading 'ouch')");
    expect(kinds).toContain("a message that is not JSON");
    expect(kinds).toContain("Max payload size exceeded");

    await server.drain();
    for (const client of honest) expect(await client.closed).toMatchObject({ code: 1001 });
    expect(server.health.connections).toBe(0);
  });
});

function textsOf(client: ChatClient): string[] {
  return client.events.flatMap((event) => (event.type === "said" ? [event.text] : []));
}
