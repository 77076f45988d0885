/** Runs the program as a process, the way a user does; and a monitor in this process, of servers that do as they are told. */
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { type RequestListener, type Server, createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { captureReports } from "@scope/test-utils";
import { Program, command, jsonLines, temporaryDirectory } from "@scope/test-utils/node";
import { type Logger, pino } from "pino";
import { onTestFinished } from "vitest";

import type { BoardEvent } from "../src/board.ts";
import { type Monitor, type MonitorOptions, makeMonitor } from "../src/monitor.ts";
import { type Config, type Target, defaults } from "../src/targets.ts";

/** A file of targets, that goes with the test. */
export async function makeTargets(text: string): Promise<string> {
  const file = path.join(await temporaryDirectory(), "targets.yaml");
  await writeFile(file, text);
  return file;
}

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));

export class Run extends Program {
  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    super(command(main, args), { env: { DATABASE_URL: "", ...env } });
  }

  /** Resolves with the address of its page. */
  async url(): Promise<string> {
    return (await this.printed(/^page: (http:.*)$/m))[1]!;
  }

  get log(): LogLine[] {
    return jsonLines(this.stderr) as LogLine[];
  }
}

/** One line of the log, as far as the tests look at it. */
export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly task?: string;
  readonly reason?: string;
  readonly err?: { readonly type: string; readonly message: string; readonly stack: string };
}

export interface Site {
  readonly url: string;
  readonly port: number;
  readonly server: Server;
  /** What it answers; replaced at any time. */
  answer: RequestListener;
}

/** A web site that ends with the test. */
export async function openSite(
  answer: RequestListener = (_, response) => response.end("well"),
): Promise<Site> {
  const server = createServer((request, response) => {
    site.answer(request, response);
  });
  const port = await listen(server);
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const site: Site = { server, port, url: `http://127.0.0.1:${port}/`, answer };
  return site;
}

async function listen(server: Server | ReturnType<typeof createTcpServer>): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** A port that answers nothing, until the test ends; resolves `connected` with the first connection. */
export async function openSilence(): Promise<{
  readonly port: number;
  readonly connected: Promise<unknown>;
}> {
  const server = createTcpServer((socket) => {
    socket.on("error", () => undefined);
    onTestFinished(() => void socket.destroy());
  });
  const connected = once(server, "connection");
  const port = await listen(server);
  onTestFinished(() => void server.close());
  return { port, connected };
}

/** A port that nobody listens on. */
export async function closedPort(): Promise<number> {
  const server = createTcpServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export function httpTarget(
  name: string,
  url: string,
  options: Partial<Target & { kind: "http" }> = {},
): Target {
  return { kind: "http", name, url, status: [200], every: 5, timeout: 5_000, ...options };
}

export function configOf(targets: readonly Target[], options: Partial<Config> = {}): Config {
  return { ...defaults, backoff: { initial: 5, max: 40 }, targets, ...options };
}

export const silent: Logger = pino({ level: "silent" });

export interface Stage extends Monitor {
  /** All that the board has told. */
  readonly events: BoardEvent[];
  /** All that was told to the terminal. */
  readonly told: string[];
  /** What the process-wide handler was told: a line each. */
  readonly reports: readonly { readonly message: string; readonly error: unknown }[];
  stop(): Promise<void>;
}

/** A monitor that is ready, and stops with the test. */
export async function openStage(config: Config, options: Partial<MonitorOptions> = {}): Promise<Stage> {
  const reports = captureReports();
  const told: string[] = [];
  const events: BoardEvent[] = [];
  const database = options.database ?? path.join(await temporaryDirectory(), "monitor.db");
  const monitor = makeMonitor({
    config,
    host: "127.0.0.1",
    port: 0,
    stopTimeout: 10_000,
    logger: silent,
    tell: (line) => told.push(line),
    ...options,
    database,
  });
  monitor.board.listen((event) => {
    events.push("state" in event ? { ...event, state: { ...event.state } } : event);
  });
  const stop = (): Promise<void> => monitor.services.stop();
  onTestFinished(async () => {
    await stop();
    reports[Symbol.dispose]();
  });
  monitor.services.start();
  await monitor.services.ready();
  return { ...monitor, events, told, reports, stop };
}

/** What a page is sent, as it comes. */
export class Events {
  readonly #reader: AsyncIterator<string, unknown>;
  #text = "";

  static async open(url: string): Promise<Events> {
    const connection = new AbortController();
    onTestFinished(() => connection.abort());
    const response = await fetch(`${url}/events`, { signal: connection.signal });
    return new Events(response, connection);
  }

  readonly response: Response;
  readonly #connection: AbortController;

  private constructor(response: Response, connection: AbortController) {
    this.response = response;
    this.#connection = connection;
    this.#reader = response.body!.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
  }

  close(): void {
    this.#connection.abort();
  }

  /** The next event of a type that passes the check; rejects when the connection ends before. */
  async next<T>(type: string, check: (data: T) => boolean = () => true): Promise<T> {
    for (;;) {
      const end = this.#text.indexOf("\n\n");
      if (end < 0) {
        const { done = false, value } = await this.#reader.next();
        if (done) throw new Error(`the connection ended before "${type}" came`);
        this.#text += value as string;
        continue;
      }
      const lines = this.#text.slice(0, end).split("\n");
      this.#text = this.#text.slice(end + 2);
      const field = (name: string): string =>
        lines
          .filter((line) => line.startsWith(`${name}: `))
          .map((line) => line.slice(name.length + 2))
          .join("\n");
      const data = JSON.parse(field("data")) as T;
      if (field("event") === type && check(data)) return data;
    }
  }
}
