import { exec, execFile, spawn, type ChildProcess } from "node:child_process";
import { EventEmitter, on, once } from "node:events";
import { createReadStream } from "node:fs";
import { mkdtemp, open, readFile, rm, watch, writeFile } from "node:fs/promises";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline/promises";
import { PassThrough, Readable, Writable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import { scheduler, setImmediate, setInterval, setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { CancellationToken, TaskScope, type Task } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";
import { Deferred, captureReports } from "@scope/test-utils";
import { afterAll, beforeEach, describe, expect, it } from "vitest";

let server: Server | undefined;
let url: string;
let folder: string;
let bigFile: string;
const children: ChildProcess[] = [];

// With the first test.
beforeEach(async () => {
  if (server !== undefined) return;
  // Answers "/body" with a body that never ends, and nothing else at all.
  server = createServer((incoming, response) => {
    server!.emit("asked");
    if (incoming.url === "/body") response.writeHead(200).write("the beginning");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  folder = await mkdtemp(path.join(tmpdir(), "scope-interop-"));
  bigFile = path.join(folder, "big");
  const file = await open(bigFile, "w");
  await file.truncate(64 * 2 ** 20);
  await file.close();
});

afterAll(async () => {
  if (server === undefined) return;
  for (const child of children)
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true });
});

/** Something of the platform's that takes a signal and does not end by itself. `started`: from now on it may be cancelled. */
type Wait = (signal: AbortSignal, started: () => void) => Promise<unknown>;

function started(child: ChildProcess): ChildProcess {
  children.push(child);
  return child;
}

async function forEach(items: AsyncIterable<unknown>, callback?: (item: unknown) => void): Promise<void> {
  for await (const item of items) callback?.(item);
}

const forever = ["-e", "setInterval(() => undefined, 1000)"];

const waits: [api: string, wait: Wait][] = [
  [
    "fetch, no answer yet",
    (signal, ready) => {
      server!.once("asked", ready);
      return fetch(url, { signal });
    },
  ],
  [
    "fetch, reading the body",
    async (signal, ready) => {
      const response = await fetch(`${url}/body`, { signal });
      ready();
      return response.text();
    },
  ],
  [
    "fetch, iterating over the body",
    async (signal, ready) => {
      const response = await fetch(`${url}/body`, { signal });
      // The first chunk is there, and no second one comes.
      await forEach(response.body!, ready);
    },
  ],
  [
    "http.request",
    (signal, ready) => {
      server!.once("asked", ready);
      return new Promise((_, reject) => request(url, { signal }).on("error", reject).end());
    },
  ],
  [
    "timers/promises setTimeout",
    (signal, ready) => {
      ready();
      return setTimeout(60_000, undefined, { signal });
    },
  ],
  [
    "timers/promises setInterval",
    async (signal, ready) => {
      await forEach(setInterval(1, undefined, { signal }), ready);
    },
  ],
  [
    "timers/promises setImmediate",
    async (signal, ready) => {
      ready();
      for (;;) await setImmediate(undefined, { signal });
    },
  ],
  [
    "timers/promises scheduler.wait",
    (signal, ready) => {
      ready();
      return scheduler.wait(60_000, { signal });
    },
  ],
  [
    "events.once",
    (signal, ready) => {
      ready();
      return once(new EventEmitter(), "never", { signal });
    },
  ],
  [
    "events.once on an EventTarget",
    (signal, ready) => {
      ready();
      return once(new EventTarget() as never, "never", { signal });
    },
  ],
  [
    "events.on",
    async (signal, ready) => {
      ready();
      await forEach(on(new EventEmitter(), "never", { signal }));
    },
  ],
  [
    "fs/promises readFile",
    async (signal, ready) => {
      ready();
      for (;;) await readFile(bigFile, { signal });
    },
  ],
  [
    "fs/promises writeFile",
    async (signal, ready) => {
      const chunks = async function* (): AsyncGenerator<string> {
        for (;;) {
          yield "chunk";
          ready();
          await setImmediate();
        }
      };
      await writeFile(path.join(folder, "written"), chunks(), { signal });
    },
  ],
  [
    "fs/promises watch",
    async (signal, ready) => {
      ready();
      await forEach(watch(folder, { signal, persistent: false }));
    },
  ],
  [
    "fs.createReadStream",
    async (signal, ready) => {
      // Read again and again: it has no end.
      for (;;) await forEach(createReadStream(bigFile, { signal }), ready);
    },
  ],
  [
    "child_process spawn",
    (signal, ready) =>
      new Promise((_, reject) => {
        started(spawn(process.execPath, forever, { signal }))
          .on("error", reject)
          .on("spawn", ready);
      }),
  ],
  [
    "child_process exec, promisified",
    (signal, ready) => {
      const running = promisify(exec)(`"${process.execPath}" ${forever[0]} "${forever[1]}"`, { signal });
      started(running.child).on("spawn", ready);
      return running;
    },
  ],
  [
    "child_process execFile, promisified",
    (signal, ready) => {
      const running = promisify(execFile)(process.execPath, forever, { signal });
      started(running.child).on("spawn", ready);
      return running;
    },
  ],
  [
    "stream/promises pipeline",
    (signal, ready) => {
      const sink = new Writable({
        write(_chunk, _encoding, done) {
          ready();
          done();
        },
      });
      const source = new PassThrough();
      source.write("the beginning");
      return pipeline(source, sink, { signal });
    },
  ],
  [
    "stream/promises pipeline with a generator",
    async (signal, ready) => {
      const chunks = async function* (): AsyncGenerator<string> {
        ready();
        for (;;) {
          yield "chunk";
          await setImmediate();
        }
      };
      await pipeline(
        chunks,
        new Writable({
          write: (_chunk, _encoding, done) => {
            done();
          },
        }),
        { signal },
      );
    },
  ],
  [
    "stream/promises finished",
    (signal, ready) => {
      ready();
      return finished(new PassThrough(), { signal });
    },
  ],
  [
    "readline/promises question",
    async (signal, ready) => {
      const terminal = createInterface({ input: new PassThrough(), output: new PassThrough() });
      try {
        const answer = terminal.question("Who are you?", { signal });
        ready();
        return await answer;
      } finally {
        terminal.close();
      }
    },
  ],
  [
    "a web stream's pipeTo",
    (signal, ready) => {
      ready();
      return new ReadableStream().pipeTo(new WritableStream(), { signal });
    },
  ],
  [
    "an AbortSignal.any of it and another",
    (signal, ready) => {
      ready();
      const both = AbortSignal.any([signal, new AbortController().signal]);
      return setTimeout(60_000, undefined, { signal: both });
    },
  ],
  [
    "throwIfAborted",
    async (signal, ready) => {
      ready();
      for (;;) {
        await setImmediate();
        signal.throwIfAborted();
      }
    },
  ],
];

const reasons: [what: string, make: () => unknown][] = [
  ["nothing", () => undefined],
  ["an error", () => new RangeError("reason")],
  ["a string", () => "reason"],
  ["the platform's timeout", () => new DOMException("late", "TimeoutError")],
];

/**
 * Starts one task, waits until it is under way, asks it to end, and waits for that. An async function must not return the
 * task itself, which is thenable.
 */
async function cancelled(
  scope: TaskScope,
  wait: (token: CancellationToken, ready: () => void) => Promise<unknown>,
  cancel: (task: Task<unknown>) => void,
): Promise<{ task: Task<unknown> }> {
  const ready = new Deferred();
  const task = scope.spawn((token) => wait(token, ready.resolve));
  await ready.promise;
  cancel(task);
  await task.catch(() => undefined);
  return { task };
}

describe("a task that hands its token's signal on ends cancelled (L4)", () => {
  describe.each(reasons.slice(0, 2))("when it is cancelled with %s", (_, makeReason) => {
    it.each(waits)("to %s", async (_, wait) => {
      using reports = captureReports();
      const scope = new TaskScope();
      const { task } = await cancelled(
        scope,
        (token, ready) => wait(token.signal, ready),
        (running) => running.cancel(makeReason()),
      );
      expect(task.status).toBe("cancelled");
      expect(task.error).toBe(task.token.error);
      await scope.join();
      expect(reports).toHaveLength(0);
    });
  });

  describe.each(reasons.slice(2))("when the outer signal is aborted with %s", (_, makeReason) => {
    it.each(waits)("to %s", async (_, wait) => {
      using reports = captureReports();
      const controller = new AbortController();
      const scope = new TaskScope({ token: controller.signal });
      const { task } = await cancelled(
        scope,
        (token, ready) => wait(token.signal, ready),
        () => {
          controller.abort(makeReason());
        },
      );
      expect(task.status).toBe("cancelled");
      expect(task.error).toBe(CancellationToken.from(controller.signal).error);
      await scope.stop();
      expect(reports).toHaveLength(0);
    });
  });
});

describe("a task that uses the outer signal itself ends cancelled (L4)", () => {
  describe.each(reasons)("when that is aborted with %s", (_, makeReason) => {
    it.each(waits)("%s", async (_, wait) => {
      using reports = captureReports();
      const controller = new AbortController();
      const scope = new TaskScope({ token: controller.signal });
      const { task } = await cancelled(
        scope,
        (_, ready) => wait(controller.signal, ready),
        () => {
          controller.abort(makeReason());
        },
      );
      expect(task.status).toBe("cancelled");
      expect(task.error).toMatchObject({ reason: controller.signal.reason as unknown, source: "signal" });
      await scope.stop();
      expect(reports).toHaveLength(0);
    });
  });

  it("when that is an AbortSignal.timeout, thrown bare or wrapped", async () => {
    const signal = AbortSignal.timeout(30);
    const group = TaskGroup.run(
      async (inner) => {
        inner.spawn(() => fetch(url, { signal }));
        inner.spawn(() => once(new EventEmitter(), "never", { signal }));
        inner.spawn(({ signal: own }) => setTimeout(60_000, undefined, { signal: own }));
        await setTimeout(60_000, undefined, { signal });
      },
      { token: signal },
    );
    const thrown: unknown = await group.catch((error: unknown) => error);
    expect(thrown).toBe(CancellationToken.from(signal).error);
    expect(signal.reason).toMatchObject({ name: "TimeoutError" });
  });
});

describe("a task that aborts its own work has failed (L4)", () => {
  it.each<[string, Wait]>(waits.filter(([api]) => /once|setTimeout|pipeline|no answer/.test(api)))(
    "%s",
    async (_, wait) => {
      const scope = new TaskScope({ onError: "ignore" });
      const own = new AbortController();
      const { task } = await cancelled(
        scope,
        (_, ready) => wait(own.signal, ready),
        () => {
          own.abort();
        },
      );
      expect(task.status).toBe("failed");
      expect(task.error).toMatchObject({ name: "AbortError" });
      await scope.join();
    },
  );

  it("with a deadline of its own", async () => {
    const scope = new TaskScope({ onError: "ignore" });
    const task = scope.spawn((token) =>
      fetch(url, { signal: AbortSignal.any([token.signal, AbortSignal.timeout(5)]) }),
    );
    await expect(task).rejects.toMatchObject({ name: "TimeoutError" });
    expect(task.status).toBe("failed");
    await scope.join();
  });
});

describe("a group of platform calls", () => {
  it("fails with what failed alone: the calls that it cancels are no failures", async () => {
    const failure = new Error("the first");
    const run = TaskGroup.run(async (group) => {
      const ready = waits.map(([, wait]) => {
        const under = new Deferred();
        group.spawn((token) => wait(token.signal, under.resolve));
        return under.promise;
      });
      await Promise.all(ready);
      throw failure;
    });
    await expect(run).rejects.toMatchObject({ errors: [failure] });
  });

  it("lets streams be read in a task, and be destroyed when it is cancelled", async () => {
    const source = Readable.from([1, 2, 3]);
    const endless = new PassThrough();
    const scope = new TaskScope();
    const sum = scope.spawn(async (token) => {
      let total = 0;
      await pipeline(
        source,
        async (chunks: AsyncIterable<number>) => {
          for await (const chunk of chunks) total += chunk;
        },
        { signal: token.signal },
      );
      return total;
    });
    await expect(sum).resolves.toBe(6);
    scope.spawn((token) => pipeline(endless, new PassThrough().resume(), { signal: token.signal }));
    await scope.stop();
    expect(endless.destroyed).toBe(true);
  });
});
