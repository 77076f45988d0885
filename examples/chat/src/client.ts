import { on } from "node:events";

import type { CancellationToken } from "@scope/core";
import { WebSocket } from "ws";

import { type ChatEvent, ProtocolError, type Say, parseMessage } from "./protocol.ts";

/** Bytes that may wait for a client to read them. */
const sendLimit = 1 << 20;

/** The server's end of one connection. */
export class Client {
  name: string;
  /** What it has asked for, while that is being done. */
  handling: string | undefined;
  readonly #socket: WebSocket;
  readonly #closeTimeout: number;
  #fault: ProtocolError | undefined;

  /** `closeTimeout`: milliseconds that the client gets to answer a close frame. */
  constructor(name: string, socket: WebSocket, { closeTimeout }: { readonly closeTimeout: number }) {
    this.name = name;
    this.#socket = socket;
    this.#closeTimeout = closeTimeout;
    // It is also thrown from `messages`, if somebody is listening there; an "error" that nobody listens to ends the process.
    socket.on("error", () => undefined);
  }

  /**
   * What the client says, from this call on, until it closes the connection. Throws for what breaks the protocol, and the
   * cancellation. While many messages wait to be taken the connection is not read.
   */
  messages(token: CancellationToken): AsyncIterable<Say> {
    const frames = on(this.#socket, "message", {
      close: ["close"],
      signal: token.signal,
      highWaterMark: 64,
      lowWaterMark: 16,
    }) as AsyncIterable<[Buffer, boolean]>;
    return this.#parse(frames);
  }

  async *#parse(frames: AsyncIterable<[Buffer, boolean]>): AsyncIterable<Say> {
    for await (const [data, isBinary] of frames) yield parseMessage(data, isBinary);
    if (this.#fault !== undefined) throw this.#fault;
  }

  send(event: ChatEvent | Encoded): void {
    const socket = this.#socket;
    if (socket.readyState !== WebSocket.OPEN) return;
    socket.send(typeof event === "string" ? event : encode(event));
    if (socket.bufferedAmount > sendLimit) {
      this.#fault = new ProtocolError("it does not read what it is sent");
      socket.terminate();
    }
  }

  /** Resolves when the connection is gone: the client has answered the close frame, or had its time. */
  async close(code: number, reason: string): Promise<void> {
    const socket = this.#socket;
    if (socket.readyState === WebSocket.CLOSED) return;
    const timer = setTimeout(() => {
      socket.terminate();
    }, this.#closeTimeout);
    await new Promise<void>((resolve) => {
      socket.once("close", () => {
        resolve();
      });
      // Paused, it would never see the answer.
      socket.resume();
      socket.close(code, reason);
    });
    clearTimeout(timer);
  }

  /** Ends the connection without a word. */
  terminate(): void {
    this.#socket.terminate();
  }
}

declare const encoded: unique symbol;

/** An event as it goes over the wire: made once, however many it is sent to. */
export type Encoded = string & { readonly [encoded]: true };

export function encode(event: ChatEvent): Encoded {
  return JSON.stringify(event) as Encoded;
}
