import { type CancellationToken, sleep } from "@scope/core";
import type { Logger } from "pino";

import { ChatClient } from "./chat-client.ts";
import { ChatServer } from "./chat-server.ts";
import { makeHandler } from "./handlers.ts";

/** Plays a few seconds in the life of a chat, and tells about it. Rejects with the cancellation. */
export async function demo(
  tell: (line: string) => void,
  logger: Logger,
  token: CancellationToken,
): Promise<void> {
  let announcements = 0;
  await using server = await ChatServer.listen({
    host: "127.0.0.1",
    port: 0,
    handle: makeHandler({ bugs: true }),
    announcer: { every: 300, crashes: () => ++announcements === 3, backoff: { initial: 200 } },
    drainTimeout: 2_000,
    logger,
  });
  // Whatever the demonstration waits for, Ctrl-C ends the wait.
  const now = <T>(step: Promise<T>): Promise<T> => token.race(step);

  tell(`The chat is at ${server.url}. Ann, Bob and Eve come in.`);
  const [ann, bob, eve] = await now(
    Promise.all([
      ChatClient.connect(server.url),
      ChatClient.connect(server.url),
      ChatClient.connect(server.url),
    ]),
  );
  for (const [client, name] of [
    [ann, "Ann"],
    [bob, "Bob"],
    [eve, "Eve"],
  ] as const) {
    client.say(`/nick ${name}`);
    await now(ann.received("renamed", ({ to }) => to === name));
  }

  const hear = async (text: string): Promise<void> => {
    const { name } = await now(ann.received("said", (event) => event.text === text));
    tell(`  ${name}: ${text}`);
  };
  bob.say("Hello, Ann!");
  await hear("Hello, Ann!");

  tell("Eve sends what makes a handler throw:");
  eve.say("/crash");
  const { code, reason } = await now(eve.closed);
  tell(`  Eve was disconnected: ${code}, ${reason}`);
  bob.say("I am still here.");
  await hear("I am still here.");

  tell("The announcer goes on announcing, crashes, and is restarted after 200 ms:");
  while (server.health.children[0]?.restarts === 0) await sleep(20, token);
  const { text } = await now(ann.received("announced", () => true, ann.events.length));
  tell(`  it is back: ${text}`);

  const response = await now(fetch(`${server.url}/healthz`));
  tell(`GET /healthz answers ${response.status}:`);
  tell(JSON.stringify(await now(response.json())));

  tell("The server is told to stop:");
  await server.drain();
  for (const client of [ann, bob]) {
    const { code, reason } = await client.closed;
    tell(`  ${client === ann ? "Ann" : "Bob"} was disconnected: ${code}, ${reason}`);
  }
  tell("Every task has ended.");
}
