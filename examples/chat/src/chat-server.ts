import { once } from "node:events";
import { type IncomingMessage, type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";

import { type TaskErrorContext, TimeoutError } from "@scope/core";
import { type Backoff, type Child, Supervisor, type SupervisorEvent } from "@scope/supervisor";
import type { Logger } from "pino";
import { WebSocketServer } from "ws";

import { type AnnouncerOptions, announce } from "./announcer.ts";
import { Client } from "./client.ts";
import { converse } from "./converse.ts";
import type { Handler } from "./handlers.ts";
import { respond } from "./http.ts";
import { ProtocolError } from "./protocol.ts";
import { Room } from "./room.ts";

export interface ChatServerOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly handle: Handler;
  readonly announcer: AnnouncerOptions & { readonly backoff: Backoff };
  /** Milliseconds that everything may take to end. */
  readonly drainTimeout: number;
  readonly logger: Logger;
}

export interface Health {
  readonly status: "ok" | "draining";
  readonly connections: number;
  readonly messages: number;
  readonly children: readonly Pick<Child, "name" | "status" | "restarts">[];
}

/**
 * The chat. Everything that goes on in it is a child of one supervisor:
 *
 * - a one-shot child per connection: it is not to be restarted, and its failure is its own;
 * - the announcer, which is restarted when it fails.
 *
 * It serves from `listen` to `drain`.
 */
export class ChatServer implements AsyncDisposable {
  /** Rejects if it cannot listen; nothing is left then. */
  static async listen(options: ChatServerOptions): Promise<ChatServer> {
    const http = createServer();
    http.listen(options.port, options.host);
    await once(http, "listening");
    return new ChatServer(http, options);
  }

  readonly #options: ChatServerOptions;
  readonly #http: Server;
  readonly #webSockets = new WebSocketServer({ noServer: true, maxPayload: 16_384 });
  readonly #room = new Room();
  readonly #supervisor: Supervisor;
  #accepted = 0;
  #drained: Promise<void> | undefined;

  private constructor(http: Server, options: ChatServerOptions) {
    const { announcer } = options;
    this.#options = options;
    this.#http = http;
    this.#supervisor = new Supervisor({
      name: "chat",
      // The announcer's back-off stays below that: past it something is really wrong.
      maxRestarts: 10,
      withinMs: 60_000,
      onError: (context) => {
        this.#logFailure(context);
      },
      onEvent: (event) => {
        this.#logEvent(event);
      },
    });
    this.#supervisor.supervise((token) => announce(this.#room, announcer, token), {
      name: "announcer",
      backoff: announcer.backoff,
    });
    http.on("request", (request, response) => {
      respond(request, response, this.health);
    });
    http.on("upgrade", (request, socket, head) => {
      this.#accept(request, socket, head);
    });
  }

  get url(): string {
    const { address, family, port } = this.#http.address() as AddressInfo;
    return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
  }

  get health(): Health {
    return {
      status: this.#supervisor.cancelRequested ? "draining" : "ok",
      connections: this.#room.clients.size,
      messages: this.#room.messages,
      children: Array.from(this.#supervisor.children(), ({ name, status, restarts }) => ({
        name,
        status,
        restarts,
      })),
    };
  }

  /** Rejects with `RestartLimitError` when the announcer has failed too often; resolves after `drain`. */
  ended(): Promise<void> {
    return this.#supervisor.join();
  }

  /**
   * Takes no more connections, closes those there are, and resolves when every task has ended.
   *
   * Rejects with `TimeoutError`, which names the tasks, if that takes longer than `drainTimeout`; the connections are gone all
   * the same, the tasks are not. To call it again tells the same.
   */
  drain(): Promise<void> {
    return (this.#drained ??= this.#drain());
  }

  /** The same as `drain()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.drain();
  }

  async #drain(): Promise<void> {
    const { drainTimeout, logger } = this.#options;
    logger.info({ connections: this.#room.clients.size }, "draining");
    const closed = new Promise((resolve) => this.#http.close(resolve));
    try {
      await this.#supervisor.stop({ reason: "the server is shutting down", timeout: drainTimeout });
    } catch (error) {
      if (error instanceof TimeoutError) this.#logStuck();
      throw error;
    } finally {
      for (const client of this.#room.clients) client.terminate();
      this.#http.closeAllConnections();
      await closed;
    }
    logger.info("everything has ended");
  }

  #accept(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const status = refusal(request, this.#supervisor);
    if (status !== undefined) {
      socket.on("error", () => undefined);
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      const number = ++this.#accepted;
      const { handle, drainTimeout } = this.#options;
      const client = new Client(`guest-${number}`, webSocket, {
        // A client that does not answer is not what a drain should fail for.
        closeTimeout: Math.min(1_000, drainTimeout / 2),
      });
      this.#supervisor.spawn((token) => converse(client, this.#room, handle, token), {
        name: `connection ${number}`,
      });
    });
  }

  #logFailure({ message, error, task }: TaskErrorContext): void {
    const level = error instanceof ProtocolError || isBadFrame(error) ? "warn" : "error";
    this.#options.logger[level]({ err: error, task: task?.name }, message);
  }

  #logEvent({ type, child, delay }: SupervisorEvent): void {
    const { name, restarts } = child;
    this.#options.logger.info({ child: name, restarts, delay }, type);
  }

  #logStuck(): void {
    for (const { name, handling } of this.#room.clients) {
      if (handling !== undefined)
        this.#options.logger.error({ client: name, handling }, "a handler is stuck");
    }
  }
}

function refusal({ url }: IncomingMessage, { cancelRequested }: Supervisor): string | undefined {
  if (cancelRequested) return "503 Service Unavailable";
  return url === "/chat" ? undefined : "404 Not Found";
}

/** How `ws` marks what it throws about frames. */
function isBadFrame(error: unknown): boolean {
  return String((error as { code?: unknown } | null | undefined)?.code).startsWith("WS_ERR_");
}
