import type { CancellationToken } from "@scope/core";

import type { Client } from "./client.ts";
import type { Room } from "./room.ts";

export interface Request {
  readonly client: Client;
  readonly room: Room;
  readonly text: string;
  /** Cancelled when the server shuts down. */
  readonly token: CancellationToken;
}

/** Does what a message asks for. The next message of the same client waits for it. */
export type Handler = (request: Request) => void | Promise<void>;

const handlers: Readonly<Record<string, Handler>> = {
  "/nick": ({ client, room, text }) => {
    const name = text.split(/\s+/)[1] ?? "";
    if (!/^[\p{L}\p{N}_-]{1,20}$/u.test(name)) {
      client.send({ type: "told", text: "a name has 1 to 20 letters, digits, - and _" });
    } else if (room.names.includes(name)) {
      client.send({ type: "told", text: `${name} is somebody else` });
    } else {
      room.tell({ type: "renamed", name: client.name, to: name });
      client.name = name;
    }
  },
  "/who": ({ client, room }) => {
    client.send({ type: "told", text: `here are ${room.names.join(", ")}` });
  },
};

/** What handlers should not do, to see what becomes of it. */
const bugs: Readonly<Record<string, Handler>> = {
  "/crash": () => {
    throw new TypeError("Cannot read properties of undefined (reading 'ouch')");
  },
  /** Deaf to its token. */
  "/hang": () => new Promise<never>(() => undefined),
};

export function makeHandler(options: { readonly bugs: boolean }): Handler {
  const commands = new Map(Object.entries(options.bugs ? { ...handlers, ...bugs } : handlers));
  return async (request) => {
    const { client, room, text } = request;
    if (!text.startsWith("/")) {
      room.say(client, text);
      return;
    }
    const command = commands.get(text.split(/\s/)[0] ?? "");
    if (command !== undefined) await command(request);
    else client.send({ type: "told", text: `there are ${[...commands.keys()].join(", ")}` });
  };
}
