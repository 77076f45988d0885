import { once } from "node:events";
import type { Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import path from "node:path";

import { createAdaptorServer } from "@hono/node-server";
import { serveStatic } from "@hono/node-server/serve-static";
import { type CancellationToken, InvalidStateError, type TaskStatus, reportTaskError } from "@scope/core";
import type { Service, ServiceBase } from "@scope/persistent";
import { Hono } from "hono";
import { secureHeaders } from "hono/secure-headers";
import { type SSEStreamingApi, streamSSE } from "hono/streaming";

import { AnnouncedService, type Tell, count } from "./announced-service.ts";
import type { Board, BoardEvent, TargetState } from "./board.ts";
import type { Check } from "./database.ts";
import { Feed } from "./feed.ts";
import type { HistoryService, Totals } from "./history-service.ts";

export interface WebOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly board: Board;
  readonly history: HistoryService;
  /** Whose tasks the page lists, besides its own. */
  readonly services: readonly ServiceBase[];
  readonly tell: Tell;
}

/** A line of the list of tasks. */
export interface TaskInfo {
  readonly id: number;
  readonly name: string;
  readonly status: TaskStatus;
}

/** What a page is told first, and again whenever it comes back. */
export interface Snapshot {
  readonly targets: readonly (TargetState & { readonly day: Totals; readonly history: readonly Check[] })[];
  readonly tasks: readonly TaskInfo[];
}

/** Checks that a chart shows. */
const chartLength = 120;
const oneDay = 86_400_000;

const publicFiles = path.join(import.meta.dirname, "../public");
const chartFiles = path.dirname(createRequire(import.meta.url).resolve("uplot"));

/** The page, and its events: each page that is open is a task. Ready when it listens. */
export class WebService extends AnnouncedService {
  readonly #options: WebOptions;
  #opening: Promise<Server> = Promise.reject(new InvalidStateError("the web server was not started"));
  #address: AddressInfo | undefined;
  #pages = 0;

  constructor(options: WebOptions) {
    super(options.tell, { uniqueId: "web" });
    this.#options = options;
    this.#opening.catch(() => undefined);
  }

  /** Where it listens, once it is ready. */
  get url(): string {
    if (this.#address === undefined) throw new InvalidStateError("the web server is not ready");
    const { address, family, port } = this.#address;
    return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
  }

  async ready(): Promise<void> {
    await this.#opening;
  }

  protected async main(token: CancellationToken): Promise<void> {
    this.#opening = this.#listen();
    const server = await this.#opening;
    const broken = once(server, "error", { signal: token.signal }).then(([error]) => {
      throw error;
    });
    try {
      await broken;
    } finally {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    }
  }

  protected account(): string {
    return `${count(this.taskGroup.tasks.size, "page")} open`;
  }

  async #listen(): Promise<Server> {
    const { host, port } = this.#options;
    const server = createAdaptorServer({ fetch: this.#routes().fetch }) as Server;
    server.listen(port, host);
    await once(server, "listening");
    this.#address = server.address() as AddressInfo;
    return server;
  }

  #routes(): Hono {
    const { board, history } = this.#options;
    const app = new Hono();
    app.use(
      secureHeaders({
        contentSecurityPolicy: {
          defaultSrc: ["'self'"],
          styleSrc: ["'self'", "'unsafe-inline'"],
          imgSrc: ["data:"],
        },
      }),
    );
    app.get("/events", (context) => streamSSE(context, (stream) => this.#serve(stream)));
    app.get("/api/state", async (context) => context.json(await this.#snapshot()));
    app.get("/api/history", async (context) => {
      const { target = "", limit = "100", before } = context.req.query();
      if (!board.states.some(({ name }) => name === target)) {
        return context.json({ error: "target: the name of a target is wanted" }, 404);
      }
      const numbers = [limit, before ?? "1"].map((text) =>
        /^[1-9]\d{0,14}$/.test(text) ? Number(text) : NaN,
      );
      if (numbers.some(Number.isNaN)) {
        return context.json({ error: "limit, before: whole numbers from 1 on are wanted" }, 400);
      }
      const [most = 0, id] = numbers;
      return context.json(
        await history.latest(target, Math.min(most, 10_000), before === undefined ? undefined : id),
      );
    });
    app.get("/healthz", (context) => {
      const services = this.#services.map(({ uniqueId, isRunning }) => [uniqueId, isRunning] as const);
      const ok = services.every(([, isRunning]) => isRunning);
      return context.json({ ok, services: Object.fromEntries(services) }, ok ? 200 : 503);
    });
    app.onError((error, context) => {
      reportTaskError({ message: `Error in a request for ${context.req.path}`, error });
      return context.json({ error: "something went wrong here" }, 500);
    });
    app.use(
      "/vendor/*",
      serveStatic({ root: chartFiles, rewriteRequestPath: (url) => url.replace(/^\/vendor/, "") }),
    );
    app.use("/*", serveStatic({ root: publicFiles }));
    return app;
  }

  get #services(): readonly (Service & Pick<ServiceBase, "taskGroup">)[] {
    return [...this.#options.services, this];
  }

  /** Until the page goes, or the service stops. */
  async #serve(stream: SSEStreamingApi): Promise<void> {
    const { board } = this.#options;
    const task = this.spawn((token) => this.#feed(stream, token), { name: `page ${++this.#pages}` });
    stream.onAbort(() => {
      task.cancel("the page has gone");
    });
    board.tasksChanged();
    // A failure has been logged; the page comes back by itself.
    await task.catch(() => undefined);
    this.taskGroup.acknowledge(task);
    board.tasksChanged();
  }

  async #feed(stream: SSEStreamingApi, token: CancellationToken): Promise<void> {
    const feed = new Feed<BoardEvent>(1_000);
    const leave = this.#options.board.listen((event) => {
      feed.push(event);
    });
    try {
      await send(stream, token, "state", await token.race(this.#snapshot()));
      for (;;) {
        const event = await feed.next(token);
        if (event === undefined) return;
        // What came in while the history was read is in both: the page looks at the ids.
        if (event.type !== "tasks") await send(stream, token, event.type, event);
        if (event.type !== "check") await send(stream, token, "tasks", this.#tasks());
      }
    } finally {
      leave();
    }
  }

  async #snapshot(): Promise<Snapshot> {
    const { board, history } = this.#options;
    const since = Date.now() - oneDay;
    const targets = await Promise.all(
      board.states.map(async (state) => {
        const checks = await history.latest(state.name, chartLength);
        const day = await history.totals(state.name, since, checks.at(-1)?.id ?? 0);
        return { state, day, history: checks };
      }),
    );
    return {
      // Copied last: the board has gone on meanwhile.
      targets: targets.map(({ state, ...past }) => ({ ...state, ...past })),
      tasks: this.#tasks(),
    };
  }

  #tasks(): TaskInfo[] {
    return this.#services.flatMap(({ taskGroup }) =>
      Array.from(taskGroup.tasks, ({ id, name, status }) => ({ id, name, status })),
    );
  }
}

function send(
  stream: SSEStreamingApi,
  token: CancellationToken,
  event: string,
  data: unknown,
): Promise<void> {
  return token.race(stream.writeSSE({ event, data: JSON.stringify(data), retry: 1_000 }));
}
