/**
 * Two copies of the packages in one process, of different versions: the second has other names for everything that belongs to a
 * package alone, some of them the first's names for something else. Whatever looks into the other's insides goes wrong here.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type * as core from "@scope/core";
import type * as guarded from "@scope/guarded";
import type * as persistent from "@scope/persistent";
import type * as supervisor from "@scope/supervisor";
import type * as taskgroup from "@scope/taskgroup";
import { flushMicrotasks, rejection } from "@scope/test-utils";
import { build } from "esbuild";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";

type Copy = typeof core &
  typeof taskgroup &
  typeof supervisor &
  typeof persistent & {
    readonly guarded: typeof guarded;
  };

/** The insides of core, and what they are called in the other version: each by another's name. */
const insides = [
  "_error",
  "_parent",
  "_newer",
  "_older",
  "_newest",
  "_bridge",
  "_task",
  "_name",
  "_outcome",
  "_state",
  "_end",
  "_outer",
  "_expired",
  "_ended",
  "_withdraw",
  "_slots",
  "_fn",
  "_owner",
  "_before",
  "_after",
  "_go",
  "_free",
  "_depart",
  "_ties",
  "_disarm",
  "_kept",
];

const versions = {
  old: {},
  new: Object.fromEntries(insides.map((name, index) => [name, insides[(index + 5) % insides.length]!])),
};

let folder: string;
let loads = 0;

async function bundle(version: keyof typeof versions): Promise<string> {
  const { outputFiles } = await build({
    stdin: {
      contents: `
        export * from "@scope/core";
        export * from "@scope/taskgroup";
        export * from "@scope/supervisor";
        export * from "@scope/persistent";
        export * as guarded from "@scope/guarded";
      `,
      resolveDir: import.meta.dirname,
    },
    bundle: true,
    write: false,
    format: "esm",
    target: "es2022",
    platform: "neutral",
    conditions: ["@scope/source"],
    ...(version === "new" && { mangleProps: /^_[a-z]/, mangleCache: versions.new, minifyIdentifiers: true }),
  });
  const file = path.join(folder, `${version}.mjs`);
  await writeFile(file, outputFiles[0]!.contents);
  return pathToFileURL(file).href;
}

const urls: Record<string, string> = {};

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "scope-copies-"));
  for (const version of ["old", "new"] as const) urls[version] = await bundle(version);
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

/** A fresh copy: it is loaded now, after what was loaded before. */
async function load(version: keyof typeof versions): Promise<Copy> {
  return (await import(/* @vite-ignore */ `${urls[version]!}?${++loads}`)) as Copy;
}

describe("the versions", () => {
  it("differ in their insides", async () => {
    const [old, changed] = [await load("old"), await load("new")];
    const names = ({ CancellationSource }: Copy): string[] =>
      Object.keys(new CancellationSource().token).sort();
    expect(names(old)).toContain("_error");
    expect(names(changed)).not.toEqual(names(old));
    // The same names, for other things.
    expect(names(changed).every((name) => insides.includes(name))).toBe(true);
  });
});

describe.each([
  ["old", "new"],
  ["new", "old"],
] as const)("a copy of the %s version, loaded before one of the %s", (first, second) => {
  let ours: Copy;
  let theirs: Copy;
  const reports: core.TaskErrorContext[] = [];

  beforeAll(async () => {
    ours = await load(first);
    theirs = await load(second);
    ours.setTaskErrorHandler((context) => void reports.push(context));
  });

  afterAll(() => {
    theirs.setTaskErrorHandler(undefined);
  });

  afterEach(() => {
    reports.length = 0;
  });

  /** Both ways: each takes what the other has made. */
  function bothWays(test: (taker: Copy, maker: Copy) => void | Promise<void>): () => Promise<void> {
    return async () => {
      await test(ours, theirs);
      await test(theirs, ours);
    };
  }

  const errors: Record<string, (copy: Copy) => Error> = {
    CancelledError: (copy) => new copy.CancelledError("reason"),
    TimeoutError: (copy) => new copy.TimeoutError(5),
    InvalidStateError: (copy) => new copy.InvalidStateError("state"),
    FatalError: (copy) => new copy.FatalError("fatal"),
    TaskGroupError: (copy) => new copy.TaskGroupError([new Error("member")]),
    RestartLimitError: (copy) => new copy.RestartLimitError("limit"),
    ExitError: (copy) => new copy.guarded.ExitError(3),
    SafeExitError: (copy) => new copy.guarded.SafeExitError(),
  };

  function classOf(copy: Copy, kind: string): abstract new (...args: never) => unknown {
    return ({ ...copy, ...copy.guarded } as never)[kind];
  }

  it.each(Object.keys(errors))("knows the other's %s, and takes it for nothing else", (kind) =>
    bothWays((taker, maker) => {
      const error = errors[kind]!(maker);
      expect(classOf(taker, kind)).not.toBe(classOf(maker, kind));
      const known = Object.keys(errors).filter((other) => error instanceof classOf(taker, other));
      expect(known.sort()).toEqual(kind === "ExitError" ? ["ExitError", "FatalError"] : [kind]);
      expect(taker.isCancellation(error)).toBe(kind === "CancelledError");
    })(),
  );

  it.each([
    "CancellationSource",
    "CancellationToken",
    "Task",
    "TaskScope",
    "TaskGroup",
    "Supervisor",
    "PersistentTaskGroup",
    "ServiceGroup",
  ])("knows the other's %s", (kind) =>
    bothWays(async (taker, maker) => {
      const make: Record<string, () => unknown> = {
        CancellationToken: () => new maker.CancellationSource().token,
        Task: () => maker.backgroundSpawner.spawn(() => 1),
        ServiceGroup: () => new maker.ServiceGroup([]),
      };
      const Class = classOf(maker, kind) as new () => unknown;
      const instance = (make[kind] ?? (() => new Class()))();
      expect(instance).toBeInstanceOf(classOf(taker, kind));
      expect(instance).toBeInstanceOf(Class);
      await flushMicrotasks();
    })(),
  );

  it(
    "takes the other's cancellation as a reason as it is",
    bothWays((taker, maker) => {
      const error = new maker.CancelledError("theirs", { source: "shutdown" });
      expect(new taker.CancelledError(error)).toBe(error);
      const source = new taker.CancellationSource();
      source.cancel(error);
      expect(source.token.error).toBe(error);
    }),
  );

  it(
    "parts and opens the other's groups of errors, nested in each other",
    bothWays((taker, maker) => {
      const timeout = new maker.TimeoutError(1);
      const plain = new Error("plain");
      const inner = new maker.TaskGroupError([timeout, plain]);
      const outer = new taker.TaskGroupError([inner, 5]);
      expect(outer.leaves()).toEqual([timeout, plain, 5]);
      const [matching, rest] = outer.split(taker.TimeoutError);
      expect(matching!.leaves()).toEqual([timeout]);
      expect(rest!.leaves()).toEqual([plain, 5]);
      expect(matching!.errors[0]).toBeInstanceOf(taker.TaskGroupError);
    }),
  );

  const follow: Record<string, (taker: Copy, like: core.TokenLike) => core.CancellationToken> = {
    "a source": (taker, parent) => new taker.CancellationSource({ parent }).token,
    "a source of several": (taker, parent) =>
      new taker.CancellationSource({ parent: [new taker.CancellationSource().token, parent] }).token,
    "a scope": (taker, token) => new taker.TaskScope({ token }).token,
    "a task group": (taker, token) => new taker.TaskGroup({ token }).token,
    "a supervisor": (taker, token) => new taker.Supervisor({ token }).token,
    "a persistent group": (taker, token) => new taker.PersistentTaskGroup({ token }).token,
    "CancellationToken.from": (taker, token) => taker.CancellationToken.from(token),
  };

  for (const [what, made] of Object.entries(follow)) {
    for (const kind of ["token", "signal"] as const) {
      it(
        `follows the other's ${kind} as ${what}`,
        bothWays(async (taker, maker) => {
          const source = new maker.CancellationSource();
          const like = kind === "token" ? source.token : source.token.signal;
          const token = made(taker, like);
          expect(token.cancelRequested).toBe(false);
          source.cancel("across");
          expect(token.error).toBe(source.token.error);
          expect(made(taker, like).error).toBe(source.token.error);
          expect(made(taker, new maker.CancellationSource().token).cancelRequested).toBe(false);
          expect(taker.CancellationToken.from(maker.CancellationToken.none).cancelRequested).toBe(false);
          await flushMicrotasks();
        }),
      );
    }
  }

  it(
    "sleeps and races under the other's token",
    bothWays(async (taker, maker) => {
      const source = new maker.CancellationSource();
      const sleeping = rejection(taker.sleep(Infinity, source.token));
      const racing = rejection(taker.CancellationToken.from(source.token).race(new Promise(() => {})));
      source.cancel("up");
      expect(await sleeping).toBe(source.token.error);
      expect(await racing).toBe(source.token.error);
    }),
  );

  it(
    "ties a token to the other's",
    bothWays((taker, maker) => {
      const parent = new maker.CancellationSource();
      const { token } = new taker.CancellationSource();
      taker.tie(token, new taker.CancellationSource({ parent: parent.token }).token);
      taker.tie(new taker.CancellationSource().token, parent.token);
      parent.cancel("across");
      expect(token.error).toBe(parent.token.error);
    }),
  );

  it(
    "awaits the other's tasks, and hears of their end",
    bothWays(async (taker, maker) => {
      const task = maker.backgroundSpawner.spawn(async () => "value");
      const heard: unknown[] = [];
      task.onDone((done) => heard.push(done));
      expect(await taker.TaskGroup.run((group) => group.spawn(() => task))).toBe("value");
      expect(heard).toEqual([task]);
    }),
  );

  it(
    "cancels and waits for the other's tasks, one or several, under the other's token",
    bothWays(async (taker, maker) => {
      const scope = new maker.TaskScope();
      const obedient = [1, 2].map(() => scope.spawn((token) => maker.sleep(Infinity, token)));
      await taker.cancelAndWait(obedient, { reason: "enough", token: maker.CancellationToken.none });
      expect(obedient.map(({ status }) => status)).toEqual(["cancelled", "cancelled"]);
      const stubborn = scope.spawn(async (token) => {
        await maker.sleep(Infinity, token).catch(() => undefined);
      });
      expect(await rejection(taker.cancelAndWait(stubborn))).toBeInstanceOf(maker.InvalidStateError);
      const failing = scope.spawn((token) =>
        maker.sleep(Infinity, token).catch(() => {
          throw new Error("instead");
        }),
      );
      expect(await rejection(taker.cancelAndWait([failing]))).toBeInstanceOf(maker.TaskGroupError);
      await scope.stop();
    }),
  );

  it(
    "takes the cancellation of its own token for one, when the other's code throws it (L4)",
    bothWays(async (taker, maker) => {
      const scope = new taker.TaskScope();
      const task = scope.spawn((token) => maker.sleep(Infinity, token));
      const inner = scope.spawn((token) =>
        maker.TaskGroup.run((group) => group.spawn((own) => taker.sleep(Infinity, own)), { token }),
      );
      await flushMicrotasks();
      scope.cancel("stop");
      await scope.join();
      expect([task.status, inner.status]).toEqual(["cancelled", "cancelled"]);
      expect(task.error).toBe(scope.token.error);
    }),
  );

  it(
    "lets the other's fatal errors out, bare",
    bothWays(async (taker, maker) => {
      const fatal = new maker.FatalError("fatal");
      for (const kind of ["TaskScope", "TaskGroup", "Supervisor", "PersistentTaskGroup"] as const) {
        const run = taker[kind].run as (body: (owner: core.TaskSpawner) => unknown) => Promise<unknown>;
        expect(
          await rejection(run.call(taker[kind], (owner) => owner.spawn(() => Promise.reject(fatal)))),
          kind,
        ).toBe(fatal);
      }
      reports.length = 0;
    }),
  );

  it(
    "has one process-wide handler with the other",
    bothWays(async (taker, maker) => {
      const error = new Error("nobody's");
      await rejection(Promise.resolve(maker.backgroundSpawner.spawn(() => Promise.reject(error))));
      expect(reports.splice(0).map((report) => report.error)).toEqual([error]);
      const handler = (): void => undefined;
      const previous = taker.setTaskErrorHandler(handler);
      expect(maker.setTaskErrorHandler(previous)).toBe(handler);
    }),
  );

  it(
    "starts and stops the other's services",
    bothWays(async (taker, maker) => {
      const log: string[] = [];
      class Probe extends maker.ServiceBase {
        protected async main(token: core.CancellationToken): Promise<void> {
          log.push("begins");
          await maker.sleep(Infinity, token).finally(() => log.push("ends"));
        }
      }
      const services = new taker.ServiceGroup([new Probe()]);
      services.start();
      await services.ready();
      await services.stop();
      expect(log).toEqual(["begins", "ends"]);
    }),
  );

  it(
    "lists and stops the other's background tasks",
    bothWays(async (taker, maker) => {
      const task = maker.guarded.spawn((token) => maker.sleep(Infinity, token));
      expect([...taker.guarded.backgroundTasks()]).toEqual([task]);
      await taker.guarded.stopBackgroundTasks();
      expect(task.status).toBe("cancelled");
    }),
  );

  it(
    "ends the other's main for a guarded failure, with the other's exit code",
    bothWays(async (taker, maker) => {
      const codes: number[] = [];
      const logger = { error: (): void => undefined };
      await taker.guarded.runMain(
        async (token) => {
          maker.guarded.spawnGuarded(() => Promise.reject(new taker.guarded.ExitError(9)), { logger });
          await rejection(maker.sleep(Infinity, token));
        },
        { exit: (code) => void codes.push(code), logger },
      );
      expect(codes).toEqual([9]);
    }),
  );

  it(
    "races, gathers and supervises with the other's tokens and errors",
    bothWays(async (taker, maker) => {
      const source = new maker.CancellationSource();
      const waits = (token: core.CancellationToken): Promise<void> => maker.sleep(Infinity, token);
      const outcomes = [
        taker.race([waits], { token: source.token }),
        taker.gather([waits], { token: source.token }),
        taker.asCompleted([waits], { token: source.token }).next(),
        taker.Supervisor.run((owner) => void owner.supervise(waits, { name: "child" }), {
          token: source.token,
        }),
      ].map((promise) => rejection(promise as Promise<unknown>));
      source.cancel("across");
      for (const outcome of outcomes) expect(await outcome).toBe(source.token.error);
    }),
  );
});
