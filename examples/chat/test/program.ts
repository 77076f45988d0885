/** Runs the program as a process, the way a user does; and the server in this process, with a log to look at. */
import type { Socket } from "node:net";
import { fileURLToPath } from "node:url";

import { Program, command, jsonLines } from "@scope/test-utils/node";
import { pino } from "pino";
import { onTestFinished } from "vitest";

import { ChatClient } from "../src/chat-client.ts";
import { ChatServer, type ChatServerOptions } from "../src/chat-server.ts";
import { makeHandler } from "../src/handlers.ts";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));

export class Run extends Program {
  constructor(args: readonly string[]) {
    super(command(main, args));
  }

  /** Resolves with its address when it serves. */
  async url(): Promise<string> {
    return (await this.printed(/^chat: (http:.*)$/m))[1]!;
  }

  get log(): LogLine[] {
    return parseLog(this.stderr);
  }
}

/** One line of the log, as far as the tests look at it. */
export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly task?: string;
  readonly err?: { readonly type: string; readonly message: string };
}

function parseLog(text: string): LogLine[] {
  return jsonLines(text) as LogLine[];
}

/** The TCP connection below. */
export function rawSocketOf(client: ChatClient): Socket {
  return Reflect.get(client.socket, "_socket") as Socket;
}

export interface Stage {
  readonly server: ChatServer;
  readonly log: readonly LogLine[];
  /** What was logged as a failure. */
  readonly failures: readonly LogLine[];
  connect(): Promise<ChatClient>;
}

/** A server that ends with the test. Its announcer says nothing unless the test wants it to. */
export async function openStage(options: Partial<ChatServerOptions> = {}): Promise<Stage> {
  const log: LogLine[] = [];
  const failures: LogLine[] = [];
  const write = (text: string): void => {
    const lines = parseLog(text);
    log.push(...lines);
    failures.push(...lines.filter(({ err }) => err !== undefined));
  };
  const server = await ChatServer.listen({
    host: "127.0.0.1",
    port: 0,
    handle: makeHandler({ bugs: true }),
    announcer: { every: Infinity, crashes: () => false, backoff: { initial: 10 } },
    drainTimeout: 10_000,
    logger: pino({ base: null }, { write }),
    ...options,
  });
  // A test of a drain that fails has seen to that itself.
  onTestFinished(() => server.drain().catch(() => undefined));
  return {
    server,
    log,
    failures,
    connect: () => ChatClient.connect(server.url),
  };
}
