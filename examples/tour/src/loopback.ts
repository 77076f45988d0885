import { once } from "node:events";
import { type IncomingMessage, type ServerResponse, createServer, get } from "node:http";
import type { AddressInfo, Socket } from "node:net";

import type { CancellationToken } from "@scope/core";

/** Does something with a request. */
export type Manner = (response: ServerResponse, request: IncomingMessage) => void;

const chunk = Buffer.alloc(16_384, "scope ");

/** Answers after so many milliseconds. */
export function answers(ms: number, status = 200): Manner {
  return (response) => {
    const timer = setTimeout(() => response.writeHead(status).end("done\n"), ms);
    response.on("close", () => clearTimeout(timer));
  };
}

/** Sends 16 KiB every 20 ms, so many times, and ends; `Infinity` does not. */
export function sends(chunks: number): Manner {
  return (response) => {
    let left = chunks;
    const timer = setInterval(() => {
      response.write(chunk);
      if (--left === 0) response.end();
    }, 20);
    response.on("close", () => clearInterval(timer));
  };
}

/** Breaks the connection after so many milliseconds, without a word. */
export function resets(ms: number): Manner {
  return (response, request) => {
    const timer = setTimeout(() => request.socket.resetAndDestroy(), ms);
    response.on("close", () => clearTimeout(timer));
  };
}

/** Does one thing for so many requests, and another one for the next; and again from the start. */
export function every(count: number, usually: Manner, then: Manner): Manner {
  let requests = 0;
  return (response, request) => (++requests % count === 0 ? then : usually)(response, request);
}

/** An HTTP server on the loopback interface, and what it sees of its clients: it keeps no connection for a second request. */
export class Loopback implements AsyncDisposable {
  readonly #server = createServer({ keepAlive: false });
  readonly #sockets = new Set<Socket>();
  #sent = 0;
  #requests = 0;

  private constructor(manners: Readonly<Record<string, Manner>>) {
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      // A client that has hung up is not sent the rest.
      socket.on("end", () => socket.destroy());
      socket.on("close", () => {
        this.#sockets.delete(socket);
        this.#sent += socket.bytesWritten;
      });
    });
    this.#server.on("request", (request, response) => {
      this.#requests++;
      response.setHeader("Connection", "close");
      const manner = manners[request.url?.slice(1) ?? ""];
      if (manner === undefined) response.writeHead(404).end();
      else manner(response, request);
    });
  }

  /** The names of the manners are their paths. */
  static async open(manners: Readonly<Record<string, Manner>>): Promise<Loopback> {
    const loopback = new Loopback(manners);
    loopback.#server.listen(0, "127.0.0.1");
    await once(loopback.#server, "listening");
    return loopback;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  url(path: string): string {
    return `http://${this.address}/${path}`;
  }

  /** How many connections are open. */
  get open(): number {
    return this.#sockets.size;
  }

  /** How many bytes it has sent. */
  get sent(): number {
    let sent = this.#sent;
    for (const socket of this.#sockets) sent += socket.bytesWritten;
    return sent;
  }

  /** How many requests have come. */
  get requests(): number {
    return this.#requests;
  }

  /** Breaks whatever connection is open. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

/** Resolves with the number of bytes. On a connection of its own: the pool of `fetch` may keep spare ones. */
export async function download(url: string, signal?: AbortSignal): Promise<number> {
  try {
    const request = get(url, { agent: false, ...(signal === undefined ? {} : { signal }) });
    // What breaks while the answer is read is thrown there.
    request.on("error", () => undefined);
    const [response] = (await once(request, "response")) as [IncomingMessage];
    let bytes = 0;
    for await (const chunk of response) bytes += (chunk as Buffer).length;
    if (response.statusCode !== 200) throw new Error(`HTTP ${response.statusCode}`);
    return bytes;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

/** Whether somebody on this machine answers with what was asked for. */
export async function isAnswered(port: number, path: string, token?: CancellationToken): Promise<boolean> {
  try {
    await download(`http://127.0.0.1:${port}/${path}`, token?.signal);
    return true;
  } catch {
    token?.throwIfCancelled();
    return false;
  }
}
