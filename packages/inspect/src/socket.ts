/** The way into another process of the same user. */
import { once } from "node:events";
import { type Socket, createConnection } from "node:net";

import {
  type Address,
  type ThreadId,
  addressOf,
  addresses,
  checkDirectory,
  checkSocket,
  codeOf,
  lives,
  threadName,
} from "./socket-directory.ts";
import { type About, MAX_EVENTS, type Request, linesOf } from "./socket-protocol.ts";
import { removeStale } from "./socket-stale.ts";
import type { EventBatch, Inspected, Snapshot } from "./types.ts";

/** Another process, as far as it tells. */
export interface RemoteProcess extends Inspected {
  /** Resolves when it has ended, or this connection to it has. */
  readonly ended: Promise<void>;
  about(): Promise<About>;
}

/** What one asks for is not there, or does not answer. */
export class RemoteProcessError extends Error {
  override readonly name: string = "RemoteProcessError";
}

/**
 * Connects to a process that was started with `--import @scope/inspect/register`, by this user on this machine. The
 * connection keeps this process alive until it is disposed.
 *
 * What one asks rejects with a `RemoteProcessError` once the process has ended or the connection is disposed.
 *
 * @param thread A worker thread of it; 0 is its main thread.
 * @throws RemoteProcessError if there is no such process, or it is not inspectable.
 * @throws Error if the directory of the sockets is not this user's alone.
 */
export async function connect(pid: number, thread = 0): Promise<RemoteProcess> {
  const address = addressOf({ pid, thread });
  checkDirectory();
  if (!checkSocket(address)) throw missing(address);
  const socket = createConnection(address.path);
  try {
    await once(socket, "connect");
  } catch (error) {
    const code = codeOf(error);
    if (code === "ECONNREFUSED" || code === "ENOENT") throw missing(address);
    throw error;
  }
  return new Connection(address, socket);
}

/** The threads that have a socket. */
export async function inspectable(): Promise<ThreadId[]> {
  checkDirectory();
  await removeStale();
  return addresses().map(({ pid, thread }) => ({ pid, thread }));
}

function missing(address: ThreadId): RemoteProcessError {
  const [what, how] = lives(address.pid)
    ? ["is not inspectable", "start it with node --import @scope/inspect/register"]
    : ["does not exist", "scope-inspect ps lists those that do"];
  return new RemoteProcessError(`process ${threadName(address)} ${what}: ${how}`);
}

interface Question {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

class Connection implements RemoteProcess {
  readonly ended: Promise<void>;
  readonly #name: string;
  readonly #socket: Socket;
  /** Those that wait for an answer, in the order in which they were asked. */
  readonly #questions: Question[] = [];

  constructor(address: Address, socket: Socket) {
    this.#name = threadName(address);
    this.#socket = socket;
    this.ended = this.#read();
  }

  about(): Promise<About> {
    return this.#ask({ ask: "about" }) as Promise<About>;
  }

  snapshot(): Promise<Snapshot> {
    return this.#ask({ ask: "snapshot" }) as Promise<Snapshot>;
  }

  events(since: number, limit = MAX_EVENTS): Promise<EventBatch> {
    return this.#ask({ ask: "events", since, limit }) as Promise<EventBatch>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
    await this.ended;
  }

  #ask(request: Request): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) {
        reject(this.#gone());
        return;
      }
      this.#questions.push({ resolve, reject });
      this.#socket.write(`${JSON.stringify(request)}\n`);
    });
  }

  /** Until the connection ends. */
  async #read(): Promise<void> {
    this.#socket.on("error", () => undefined);
    try {
      for await (const line of linesOf(this.#socket, Infinity)) {
        const { result, error } = JSON.parse(line) as { result?: unknown; error?: string };
        const question = this.#questions.shift();
        if (error === undefined) question?.resolve(result);
        else question?.reject(new RemoteProcessError(`process ${this.#name}: ${error}`));
      }
    } catch {
      // It broke: as good as an end.
    }
    this.#socket.destroy();
    for (const { reject } of this.#questions.splice(0)) reject(this.#gone());
  }

  #gone(): Error {
    return new RemoteProcessError(`process ${this.#name} has ended`);
  }
}
