/**
 * The inspector's page, served to the browser of whoever has been given its address.
 *
 *   GET /                        the page; it has nothing to hide
 *   GET /page.js                 its script
 *   GET /api/snapshot            one snapshot                             needs the key
 *   GET /api/events?since=N      lines of JSON: batches, as they come     needs the key
 *
 * Invariants
 *  1. Only the loopback interface is listened on, and only a request that names it as its host is answered: a name that
 *     somebody else has made to point here is not.
 *  2. Nothing of the program is told without the key. It comes in a header that no other site can send, never in an address
 *     that is logged, and is compared in constant time.
 *  3. A batch is asked for when the one before it has been written: a reader that is slow misses events, and costs no memory.
 *  4. When `close` has settled nothing of the server is left.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { type CancellationToken, TaskScope, checkCount, isCancellation, sleep, wrongType } from "@scope/core";
import type { EventBatch, Inspected, Snapshot } from "./types.ts";

export interface WebOptions {
  /** 0: one that is free. @default 0 */
  readonly port?: number | undefined;
  /** The script of the page. @default the one that is built with this package */
  readonly script?: string | undefined;
}

/** A server of the inspector's page. */
export interface WebServer extends AsyncDisposable {
  /** Where the page is. Whoever has this address sees the program. */
  readonly url: string;
  /** Ends all connections. */
  close(): Promise<void>;
}

const HOST = "127.0.0.1";
/** Events of a batch. */
const LIMIT = 1_000;
/** Between two questions for events. */
const PAUSE = 100;
/** After so many pauses without an event the page is told that there was none. */
const QUIET = 10;
/** Streams at a time: each has the program asked again and again. */
const STREAMS = 16;

const HTML = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>scope-inspect</title>
    <link rel="icon" href="data:," />
    <script type="module" src="page.js"></script>
  </head>
  <body>
    <main><noscript>This page needs JavaScript.</noscript></main>
  </body>
</html>
`;

const HEADERS: Readonly<Record<string, string>> = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
  "Cache-Control": "no-store",
};

/** How a request is refused. */
class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * Serves a page that shows what `inspected` tells, on 127.0.0.1, until it is closed. Its address carries a random key; without
 * it the page shows nothing.
 *
 * As soon as `inspected` rejects, the page says that the program has ended, and keeps what it has seen. `inspected` itself
 * is the caller's: the server does not dispose of it.
 *
 * @throws TypeError, RangeError for a bad option; the message names it.
 * @throws Error if the port is taken.
 */
export async function serveWeb(inspected: Inspected, options: WebOptions = {}): Promise<WebServer> {
  const { port = 0 } = options;
  checkCount("port", port, 0);
  if (port > 65_535) throw wrongType("port", "an integer >= 0 and <= 65,535", port, true);
  const script = options.script ?? (await readFile(new URL("../dist/web/page.js", import.meta.url), "utf8"));
  const key = randomBytes(24).toString("base64url");
  const site = new Site(inspected, key, script);
  const server = createServer((request, response) => site.answer(request, response));
  server.listen(port, HOST);
  await once(server, "listening");
  const { port: taken } = server.address() as AddressInfo;
  site.hosts = [`${HOST}:${taken}`, `localhost:${taken}`];
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> =>
    (closed ??= (async () => {
      const end = once(server, "close");
      server.close();
      await site.close();
      server.closeAllConnections();
      await end;
    })());
  return { url: `http://${HOST}:${taken}/#${key}`, close, [Symbol.asyncDispose]: close };
}

class Site {
  hosts: readonly string[] = [];
  readonly #inspected: Inspected;
  readonly #key: Buffer;
  readonly #script: string;
  readonly #scope = new TaskScope({ name: "web", onError: "ignore" });
  #streams = 0;
  /** The one that is being taken. */
  #snapshot: Promise<Snapshot> | undefined;

  constructor(inspected: Inspected, key: string, script: string) {
    this.#inspected = inspected;
    this.#key = digest(key);
    this.#script = script;
  }

  close(): Promise<void> {
    return this.#scope.stop();
  }

  answer(request: IncomingMessage, response: ServerResponse): void {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    if (this.#scope.state !== "open") {
      refuse(response, closing());
      return;
    }
    const task = this.#scope.spawn((token) => this.#answer(request, response, token), { name: "request" });
    response.on("close", () => task.cancel("nobody listens any more"));
    void task.catch((error: unknown) => {
      if (response.headersSent || response.destroyed) response.destroy();
      else if (error instanceof Refusal) refuse(response, error);
      else refuse(response, isCancellation(error) ? closing() : new Refusal(500, "something went wrong"));
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse, token: CancellationToken): Promise<void> {
    this.#check(request);
    // As it is: no path leads anywhere but to these.
    const [path = "", query] = (request.url ?? "").split("?", 2);
    switch (path) {
      case "/":
        send(response, "text/html", HTML);
        return;
      case "/page.js":
        send(response, "text/javascript", this.#script);
        return;
      case "/api/snapshot":
        this.#checkKey(request);
        send(response, "application/json", JSON.stringify(await token.race(this.#take())));
        return;
      case "/api/events":
        this.#checkKey(request);
        await this.#stream(response, new URLSearchParams(query).get("since") ?? "1", token);
        return;
      default:
        throw new Refusal(404, "there is nothing here");
    }
  }

  /** It comes from a page of this server, or from nowhere. */
  #check({ headers, method }: IncomingMessage): void {
    if (!this.hosts.includes(headers.host ?? "")) throw new Refusal(403, "this is no name of this server");
    const origin = headers.origin;
    if (origin !== undefined && !this.hosts.some((host) => origin === `http://${host}`)) {
      throw new Refusal(403, "another site has nothing to ask here");
    }
    const from = headers["sec-fetch-site"];
    // To follow a link from elsewhere shows the page, which is empty without the key.
    const visits = headers["sec-fetch-mode"] === "navigate";
    if (from !== undefined && from !== "same-origin" && from !== "none" && !visits) {
      throw new Refusal(403, "another site has nothing to ask here");
    }
    if (method !== "GET" && method !== "HEAD") throw new Refusal(405, "there is nothing to change here");
  }

  #checkKey({ headers }: IncomingMessage): void {
    const [, key] = /^Bearer (.*)$/.exec(headers.authorization ?? "") ?? [];
    if (key === undefined || !timingSafeEqual(digest(key), this.#key)) {
      throw new Refusal(403, "open the address that scope-inspect has printed: it carries the key");
    }
  }

  /** Whoever asks meanwhile gets the same. */
  #take(): Promise<Snapshot> {
    this.#snapshot ??= ended(this.#inspected.snapshot()).finally(() => (this.#snapshot = undefined));
    return this.#snapshot;
  }

  async #stream(response: ServerResponse, since: string, token: CancellationToken): Promise<void> {
    let next = Number(since);
    if (!Number.isSafeInteger(next) || next < 0) throw new Refusal(400, "since is to be a number");
    if (this.#streams >= STREAMS) throw new Refusal(503, "too many pages are open");
    this.#streams++;
    try {
      let batch = await token.race(ended(this.#inspected.events(next, LIMIT)));
      response.writeHead(200, { "Content-Type": "application/x-ndjson; charset=utf-8" });
      if (response.req.method === "HEAD") return void response.end();
      let quiet = QUIET;
      for (;;) {
        next = batch.next;
        const full = batch.events.length === LIMIT;
        if (batch.events.length > 0 || batch.dropped > 0 || quiet >= QUIET) {
          quiet = 0;
          await write(response, batch, token);
        }
        quiet++;
        if (!full) await sleep(PAUSE, token);
        batch = await token.race(ended(this.#inspected.events(next, LIMIT)));
      }
    } catch (error) {
      if (!(error instanceof Refusal) || !response.headersSent) throw error;
      response.end(`${JSON.stringify({ ended: error.message })}\n`);
    } finally {
      this.#streams--;
    }
  }
}

function closing(): Refusal {
  return new Refusal(503, "the server is closing");
}

/** What an inspected program cannot answer any more is its end. */
async function ended<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw new Refusal(410, error instanceof Error ? error.message : String(error));
  }
}

/** Resolves when there is room for more. */
async function write(response: ServerResponse, batch: EventBatch, token: CancellationToken): Promise<void> {
  if (response.write(`${JSON.stringify(batch)}\n`)) return;
  await once(response, "drain", { signal: token.signal });
}

function send(response: ServerResponse, type: string, body: string): void {
  response.writeHead(200, {
    "Content-Type": `${type}; charset=utf-8`,
    "Content-Length": Buffer.byteLength(body),
  });
  response.end(response.req.method === "HEAD" ? undefined : body);
}

function refuse(response: ServerResponse, { status, message }: Refusal): void {
  response.writeHead(status, {
    "Content-Type": "text/plain; charset=utf-8",
    ...(status === 405 ? { Allow: "GET, HEAD" } : {}),
  });
  response.end(`${message}\n`);
}

/** Of one length, whatever it is of. */
function digest(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}
