import { once } from "node:events";
import { type IncomingHttpHeaders, type IncomingMessage, type RequestOptions, request } from "node:http";
import { connect } from "node:net";
import { createInterface } from "node:readline";

import { Deferred, rejection } from "@scope/test-utils";
import { eventually } from "@scope/test-utils/node";
import { describe, expect, it, onTestFinished } from "vitest";

import type { EventBatch, Inspected } from "../src/types.ts";
import { type WebOptions, serveWeb } from "../src/web.ts";
import { Fake } from "./fake.ts";

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Stage {
  readonly port: number;
  readonly key: string;
  /** Without the key. */
  ask(path: string, options?: RequestOptions): Promise<Answer>;
  /** With the key. */
  askApi(path: string, options?: RequestOptions): Promise<Answer>;
  /** The lines of a stream, one by one. */
  stream(since?: number): Promise<AsyncIterator<string>>;
  close(): Promise<void>;
}

async function openStage(inspected: Inspected = new Fake(), options: WebOptions = {}): Promise<Stage> {
  const server = await serveWeb(inspected, { script: "/* the page */", ...options });
  onTestFinished(() => server.close());
  const { port, hash } = new URL(server.url);
  const key = hash.slice(1);
  const send = async (path: string, options: RequestOptions = {}): Promise<IncomingMessage> => {
    const sent = request({ host: "127.0.0.1", port, path, ...options }).end();
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    return response;
  };
  const ask: Stage["ask"] = async (path, options) => {
    const response = await send(path, options);
    let body = "";
    for await (const chunk of response.setEncoding("utf8")) body += String(chunk);
    return { status: response.statusCode!, headers: response.headers, body };
  };
  const authorization = `Bearer ${key}`;
  return {
    port: Number(port),
    key,
    ask,
    askApi: (path, options) => ask(path, { ...options, headers: { authorization, ...options?.headers } }),
    stream: async (since = 1) => {
      const response = await send(`/api/events?since=${since}`, { headers: { authorization } });
      onTestFinished(() => void response.destroy());
      response.on("error", () => undefined);
      expect(response.statusCode).toBe(200);
      return createInterface(response)[Symbol.asyncIterator]();
    },
    close: () => server.close(),
  };
}

async function next(lines: AsyncIterator<string>): Promise<EventBatch & { readonly ended?: string }> {
  const { value, done } = await lines.next();
  if (done === true) throw new Error("the stream has ended");
  return JSON.parse(value as string) as EventBatch;
}

/** An inspected program of which the test says what it answers. */
function inspectedWith(parts: Partial<Inspected>): Inspected {
  const fake = new Fake();
  return {
    snapshot: () => fake.snapshot(),
    events: (since, limit) => fake.events(since, limit),
    [Symbol.asyncDispose]: async () => {},
    ...parts,
  };
}

describe("the address", () => {
  it("is one of this machine alone, with a key that is another one each time", async () => {
    const [one, other] = [await openStage(), await openStage()];

    expect(one.key).toMatch(/^[\w-]{32}$/);
    expect(other.key).not.toBe(one.key);
    expect(other.port).not.toBe(one.port);
    // Any other interface, even of the same machine.
    const socket = connect(one.port, "127.0.0.2");
    expect(await once(socket, "connect").catch((error: unknown) => error)).toMatchObject({
      code: "ECONNREFUSED",
    });
  });

  it("has the port that was asked for, if it is free", async () => {
    const first = await openStage();

    expect(await rejection(serveWeb(new Fake(), { port: first.port, script: "" }))).toMatchObject({
      code: "EADDRINUSE",
    });
    await first.close();

    const second = await openStage(new Fake(), { port: first.port });
    expect(second.port).toBe(first.port);
  });

  it.each([-1, 1.5, 65_536, NaN, "80" as unknown as number])("refuses the port %s (L11)", async (port) => {
    const error = await rejection(serveWeb(new Fake(), { port, script: "" }));

    expect((error as Error).message).toMatch(/port/);
    expect(error).toBeInstanceOf(typeof port === "string" ? TypeError : RangeError);
  });
});

describe("whoever has the key", () => {
  it("gets the page, its script and a snapshot", async () => {
    const fake = new Fake({ live: 3 });
    const { ask, askApi } = await openStage(fake);

    const page = await ask("/");
    expect(page).toMatchObject({ status: 200, headers: { "content-type": "text/html; charset=utf-8" } });
    expect(page.body).toContain('<script type="module" src="page.js"></script>');
    expect(await ask("/page.js")).toMatchObject({
      status: 200,
      headers: { "content-type": "text/javascript; charset=utf-8" },
      body: "/* the page */",
    });
    const { status, body } = await askApi("/api/snapshot");
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({
      version: 1,
      pid: 4711,
      scopes: [{ id: "s1", kind: "TaskGroup" }],
    });
  });

  it("is told to load nothing from elsewhere, to run nothing inline, to keep nothing, and to be shown nowhere else", async () => {
    const { ask, askApi } = await openStage();

    for (const { headers } of [await ask("/"), await ask("/api/snapshot"), await askApi("/api/snapshot")]) {
      expect(headers).toMatchObject({
        "content-security-policy":
          "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "cache-control": "no-store",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
      });
      expect(headers).not.toHaveProperty("access-control-allow-origin");
      expect(headers).not.toHaveProperty("set-cookie");
    }
  });

  it("gets what has happened, and then what happens", async () => {
    const third = new Deferred();
    const event = { at: 1, type: "scope-opened", id: "s1" } as const;
    const { stream } = await openStage(
      inspectedWith({
        events: async (since) => {
          if (since === 3) await third.promise;
          if (since > 3) await new Promise(() => undefined);
          return { events: [{ seq: since, ...event }], dropped: 0, next: since + 1 };
        },
      }),
    );

    const lines = await stream(2);
    expect(await next(lines)).toEqual({ events: [{ seq: 2, ...event }], dropped: 0, next: 3 });
    third.resolve();
    expect(await next(lines)).toEqual({ events: [{ seq: 3, ...event }], dropped: 0, next: 4 });
  });

  it("is told about once a second that nothing happens", async () => {
    let asked = 0;
    const { stream } = await openStage(
      inspectedWith({
        events: async (since) => {
          asked++;
          return { events: [], dropped: 0, next: since };
        },
      }),
    );

    const lines = await stream(7);
    await next(lines);
    const before = asked;
    expect(await next(lines)).toEqual({ events: [], dropped: 0, next: 7 });
    expect(asked - before).toBeGreaterThanOrEqual(8);
  });

  it("shares a snapshot with all who ask while it is taken", async () => {
    const snapshot = await new Fake().snapshot();
    const taken = new Deferred<typeof snapshot>();
    let times = 0;
    const { askApi } = await openStage(
      inspectedWith({
        snapshot: () => {
          times++;
          return taken.promise;
        },
      }),
    );

    const answers = [askApi("/api/snapshot"), askApi("/api/snapshot")];
    await eventually(() => expect(times).toBe(1));
    await askApi("/page.js");
    taken.resolve(snapshot);

    for (const { body } of await Promise.all(answers)) expect(JSON.parse(body)).toEqual(snapshot);
    expect(times).toBe(1);
    await askApi("/api/snapshot");
    expect(times).toBe(2);
  });
});

describe("whoever has not", () => {
  it.each([
    ["no key", {}],
    ["an empty one", { authorization: "Bearer " }],
    ["another one", { authorization: `Bearer ${"x".repeat(32)}` }],
    ["another kind of one", { authorization: "Basic eDp5" }],
  ])("is told nothing of the program with %s", async (_, headers) => {
    const { ask } = await openStage();

    for (const path of ["/api/snapshot", "/api/events?since=1"]) {
      expect(await ask(path, { headers })).toMatchObject({
        status: 403,
        body: "open the address that scope-inspect has printed: it carries the key\n",
      });
    }
  });

  it("cannot put it into the address, where it would be logged", async () => {
    const { ask, key } = await openStage();

    expect((await ask(`/api/snapshot?key=${key}`)).status).toBe(403);
  });

  it.each(["example.com", "example.com:1", "127.0.0.1", "127.0.0.1.example.com", "[::1]"])(
    "gets nothing at all by the name of %j, which somebody else may have made to point here",
    async (host) => {
      const { ask, askApi, port } = await openStage();
      const named = /:\d+$/.test(host) ? host : `${host}:${port}`;

      for (const headers of [{ host }, ...(host === "127.0.0.1" ? [] : [{ host: named }])]) {
        expect((await ask("/", { headers })).status).toBe(403);
        expect((await ask("/page.js", { headers })).status).toBe(403);
        expect((await askApi("/api/snapshot", { headers })).status).toBe(403);
      }
      expect((await askApi("/api/snapshot", { headers: { host: `localhost:${port}` } })).status).toBe(200);
    },
  );

  it("gets nothing for another site, even if it had the key", async () => {
    const { askApi, ask, port } = await openStage();

    for (const headers of [
      { origin: "https://example.com" },
      { origin: "null" },
      { origin: `http://127.0.0.1:${port + 1}` },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
    ]) {
      expect(await askApi("/api/snapshot", { headers })).toMatchObject({
        status: 403,
        body: "another site has nothing to ask here\n",
      });
    }
    const own = { origin: `http://127.0.0.1:${port}`, "sec-fetch-site": "same-origin" };
    expect((await askApi("/api/snapshot", { headers: own })).status).toBe(200);
    const link = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" };
    expect((await ask("/", { headers: link })).status).toBe(200);
  });

  it.each(["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])("changes nothing by %s", async (method) => {
    const { askApi } = await openStage();

    for (const path of ["/", "/api/snapshot", "/api/events"]) {
      expect(await askApi(path, { method })).toMatchObject({ status: 405, headers: { allow: "GET, HEAD" } });
    }
  });

  it("may ask for the head alone", async () => {
    const { askApi } = await openStage();

    for (const path of ["/", "/page.js", "/api/snapshot", "/api/events"]) {
      expect(await askApi(path, { method: "HEAD" })).toMatchObject({ status: 200, body: "" });
    }
  });

  it.each([
    "/../package.json",
    "/%2e%2e/package.json",
    "/page.js/../../package.json",
    "/./page.js",
    "//page.js",
    "//",
    "/page.js%00",
    "/C:/page.js",
    "/\\..\\package.json",
    "/api",
    "/api/snapshot/",
    "/web.ts",
  ])("finds nothing at %s", async (path) => {
    const { askApi } = await openStage();

    expect(await askApi(path)).toMatchObject({ status: 404, body: "there is nothing here\n" });
  });

  it.each(["-1", "x", "1e99", "0.5"])("cannot ask for the events since %s", async (since) => {
    const { askApi } = await openStage();

    expect((await askApi(`/api/events?since=${since}`)).status).toBe(400);
  });
});

describe("a reader that is slow", () => {
  it("costs no memory: nothing is asked for before it has taken what there was", async () => {
    let asked = 0;
    const text = "x".repeat(1_000);
    const { port, key, ask } = await openStage(
      inspectedWith({
        // A million bytes each time.
        events: async (since) => {
          asked++;
          const events = Array.from({ length: 1_000 }, (_, index) => {
            return { seq: since + index, at: 1, type: "task-spawned", id: "t1", name: text } as const;
          });
          return { events, dropped: 0, next: since + 1_000 };
        },
      }),
    );
    const socket = connect(port, "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    socket.pause();
    socket.write(
      `GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${key}\r\n\r\n`,
    );

    // What the system holds for the two is full.
    let before = -1;
    await eventually(async () => {
      before = asked;
      for (let round = 0; round < 100; round++) await ask("/page.js");
      expect(asked).toBeGreaterThan(1);
      expect(asked).toBe(before);
    });

    expect(asked).toBeLessThan(50);
    socket.resume();
    await eventually(() => expect(asked).toBeGreaterThan(before + 50));
  });

  it("that goes away is forgotten", async () => {
    let asked = 0;
    const { port, key, ask } = await openStage(
      inspectedWith({
        events: async (since) => {
          asked++;
          return { events: [], dropped: 1, next: since };
        },
      }),
    );
    const socket = connect(port, "127.0.0.1");
    socket.write(
      `GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${key}\r\n\r\n`,
    );
    await eventually(() => expect(asked).toBeGreaterThan(1));

    socket.destroy();

    await eventually(async () => {
      const before = asked;
      for (let round = 0; round < 300; round++) await ask("/page.js");
      expect(asked).toBe(before);
    });
  });

  it("finds no place among more than sixteen", async () => {
    const { stream, askApi } = await openStage();
    for (let index = 0; index < 16; index++) await stream();

    expect(await askApi("/api/events")).toMatchObject({ status: 503, body: "too many pages are open\n" });
  });
});

describe("the end", () => {
  it("of the program is told to those who read, and to those who come later", async () => {
    const fake = new Fake();
    const { stream, askApi } = await openStage(fake);
    const lines = await stream();
    await next(lines);

    fake.end = new Error("process 4711 has ended");

    let line = await next(lines);
    while (line.ended === undefined) line = await next(lines);
    expect(line).toEqual({ ended: "process 4711 has ended" });
    expect((await lines.next()).done).toBe(true);
    for (const path of ["/api/snapshot", "/api/events"]) {
      expect(await askApi(path)).toMatchObject({ status: 410, body: "process 4711 has ended\n" });
    }
  });

  it("of the server ends every connection, also while the program does not answer", async () => {
    const asked = new Deferred();
    const { port, stream, askApi, close } = await openStage(
      inspectedWith({
        snapshot: () => {
          asked.resolve();
          return new Promise(() => undefined);
        },
      }),
    );
    const lines = await stream();
    await next(lines);
    const idle = connect(port, "127.0.0.1");
    const idleEnd = once(idle, "close");
    idle.on("error", () => undefined);
    await once(idle, "connect");
    const waiting = askApi("/api/snapshot");
    await asked.promise;

    await Promise.all([close(), close()]);

    expect(await waiting).toMatchObject({ status: 503, body: "the server is closing\n" });
    await idleEnd;
    for (;;) if ((await lines.next().catch(() => ({ done: true }))).done === true) break;
    const late = connect(port, "127.0.0.1");
    expect(await once(late, "connect").catch((error: unknown) => error)).toMatchObject({
      code: "ECONNREFUSED",
    });
  });
});
