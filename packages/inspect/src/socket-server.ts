/**
 * Serves what others of the same user want to know, on a socket of the machine. It runs in a thread of its own, so that it
 * answers also when the program's own is stuck.
 *
 * A client costs bounded memory, whatever it does: nothing more is read of it until its last request is answered and that
 * answer has gone out, its requests are short, and the number of clients is limited.
 */
import { once } from "node:events";
import { chmodSync } from "node:fs";
import { type Server, type Socket, createServer } from "node:net";

import { type Address, checkSocket, makeDirectory } from "./socket-directory.ts";
import { type Answer, MAX_REQUEST, type Request, linesOf, parseRequest, refusal } from "./socket-protocol.ts";
import { removeStale } from "./socket-stale.ts";

const MAX_CLIENTS = 32;
/** How long a client may leave an answer unread, in milliseconds. */
const MAX_STANDSTILL = 30_000;

/**
 * Resolves when it listens.
 *
 * @throws Error if the place of the socket is not this user's alone, or cannot be listened on.
 */
export async function serve(
  address: Address,
  answer: (request: Request) => Promise<Answer>,
): Promise<Server> {
  makeDirectory();
  await removeStale(address);
  const server = createServer((socket) => void converse(socket, answer));
  server.maxConnections = MAX_CLIENTS;
  // Exclusive: a cluster's primary is not to listen in its workers' place.
  server.listen({ path: address.path, exclusive: true });
  if (process.platform !== "win32" && checkSocket(address)) chmodSync(address.path, 0o600);
  await once(server, "listening");
  return server;
}

async function converse(socket: Socket, answer: (request: Request) => Promise<Answer>): Promise<void> {
  // Whoever goes away has no need of the answer.
  socket.on("error", () => undefined).on("timeout", () => socket.destroy());
  try {
    for await (const line of linesOf(socket, MAX_REQUEST)) {
      const text = await answerTo(line, answer);
      socket.setTimeout(MAX_STANDSTILL);
      await new Promise((gone) => socket.write(`${text}\n`, gone));
      socket.setTimeout(0);
    }
    socket.end();
  } catch {
    socket.destroy();
  }
}

async function answerTo(line: string, answer: (request: Request) => Promise<Answer>): Promise<Answer> {
  try {
    return await answer(parseRequest(line));
  } catch (error) {
    return refusal(error);
  }
}
