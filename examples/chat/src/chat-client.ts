import { TimeoutError, sleep } from "@scope/core";
import { race } from "@scope/supervisor";
import { type RawData, WebSocket } from "ws";

import type { ChatEvent } from "./protocol.ts";

/** Milliseconds that anything a client waits for may take. */
const patience = 30_000;

/** A client, for the demonstration and the tests. */
export class ChatClient {
  /** Resolves when it has been welcomed. */
  static async connect(url: string): Promise<ChatClient> {
    const client = new ChatClient(new WebSocket(`${url.replace(/^http/, "ws")}/chat`));
    const { name } = await client.received("welcome");
    client.name = name;
    return client;
  }

  readonly socket: WebSocket;
  name = "";
  /** All that it was sent, in order. */
  readonly events: ChatEvent[] = [];
  /** Resolves with the code and reason of the close frame; 1006 if there was none. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  readonly #waiting = new Set<() => void>();

  private constructor(socket: WebSocket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => {
      socket.once("close", (code, reason) => {
        resolve({ code, reason: String(reason) });
        this.#look();
      });
    });
    // "close" tells enough.
    socket.on("error", () => undefined);
    socket.on("message", (data: RawData) => {
      this.events.push(JSON.parse((data as Buffer).toString()) as ChatEvent);
      this.#look();
    });
  }

  say(text: string): void {
    this.socket.send(JSON.stringify({ say: text }));
  }

  /** Resolves with the first event of the type, from the given place on, that passes the check. */
  async received<T extends ChatEvent["type"]>(
    type: T,
    check: (event: ChatEvent & { type: T }) => boolean = () => true,
    from = 0,
  ): Promise<ChatEvent & { type: T }> {
    const isWanted = (event: ChatEvent): event is ChatEvent & { type: T } =>
      event.type === type && check(event as ChatEvent & { type: T });
    const { value } = await race<ChatEvent & { type: T }>([
      (token) => {
        let next = from;
        const found = new Promise<ChatEvent & { type: T }>((resolve, reject) => {
          const look = (): void => {
            let event: ChatEvent | undefined;
            do event = this.events[next++];
            while (event !== undefined && !isWanted(event));
            if (event === undefined) next--;
            if (event === undefined && this.socket.readyState !== WebSocket.CLOSED) return;
            this.#waiting.delete(look);
            if (event === undefined) reject(new Error(`closed before "${type}" came`));
            else resolve(event);
          };
          this.#waiting.add(look);
          token.onCancel(() => this.#waiting.delete(look));
          look();
        });
        return token.race(found);
      },
      async (token) => {
        await sleep(patience, token);
        throw new TimeoutError(patience, `waited in vain for "${type}"`);
      },
    ]);
    return value;
  }

  close(): void {
    this.socket.close(1000);
  }

  #look(): void {
    for (const look of this.#waiting) look();
  }
}
