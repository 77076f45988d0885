import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { FatalError, TaskGroupError, TaskScope } from "@scope/core";
import * as guarded from "@scope/guarded";
import { ExitError, SafeExitError } from "@scope/guarded";
import { rejection } from "@scope/test-utils";
import { build } from "esbuild";
import { afterAll, beforeEach, describe, expect, it } from "vitest";

describe("SafeExitError", () => {
  it("is an error of that name", () => {
    const error = new SafeExitError("nothing left to do");
    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(FatalError);
    expect(String(error)).toBe("SafeExitError: nothing left to do");
    expect(new SafeExitError("why", { cause: 1 }).cause).toBe(1);
  });
});

describe("ExitError", () => {
  it("is a fatal error with an exit code", () => {
    const error = new ExitError(78, "no configuration");
    expect(error).toBeInstanceOf(FatalError);
    expect(error.exitCode).toBe(78);
    expect(String(error)).toBe("ExitError: no configuration");
  });

  it("needs no message", () => {
    expect(new ExitError(0).message).toBe("");
    expect(String(new ExitError(0))).toBe("ExitError");
  });

  it("comes out of scopes bare, and cancels what is on its way", async () => {
    const error = new ExitError(3);
    let cancelled = false;
    const run = TaskScope.run((outer) => {
      outer.spawn((token) => token.race(new Promise(() => {})).finally(() => (cancelled = true)));
      return TaskScope.run((inner) => void inner.spawn(() => Promise.reject(error)));
    });
    expect(await rejection(run)).toBe(error);
    expect(cancelled).toBe(true);
  });

  it("is told apart by split", () => {
    const [exits] = new TaskGroupError([new ExitError(3), new Error("other")]).split(ExitError);
    expect(exits?.errors).toHaveLength(1);
  });

  it.each([0, 1, 255])("takes %s", (exitCode) => {
    expect(new ExitError(exitCode).exitCode).toBe(exitCode);
  });

  it.each<[unknown, typeof TypeError]>([
    [-1, RangeError],
    [256, RangeError],
    [1.5, RangeError],
    [NaN, RangeError],
    [Infinity, RangeError],
    ["1", TypeError],
    [undefined, TypeError],
    [null, TypeError],
    [1n, TypeError],
  ])("refuses %s (L11)", (exitCode, type) => {
    const make = (): unknown => new ExitError(exitCode as number);
    expect(make).toThrow(type);
    expect(make).toThrow(/`exitCode`.*an integer from 0 to 255/);
  });
});

describe("over two copies of the package", () => {
  let folder: string | undefined;
  let other: typeof guarded;

  beforeEach(async () => {
    if (folder !== undefined) return;
    folder = await mkdtemp(path.join(tmpdir(), "guarded-copy-"));
    const { outputFiles } = await build({
      stdin: { contents: 'export * from "@scope/guarded"', resolveDir: import.meta.dirname },
      conditions: ["@scope/source"],
      bundle: true,
      write: false,
      format: "esm",
      target: "es2022",
    });
    const file = path.join(folder, "copy.mjs");
    await writeFile(file, outputFiles[0]!.text);
    other = (await import(/* @vite-ignore */ pathToFileURL(file).href)) as typeof guarded;
  });

  afterAll(async () => {
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  it("errors are instances of each other's classes", () => {
    expect(other.ExitError).not.toBe(ExitError);
    expect(new other.ExitError(3)).toBeInstanceOf(ExitError);
    expect(new other.ExitError(3)).toBeInstanceOf(FatalError);
    expect(new ExitError(3)).toBeInstanceOf(other.ExitError);
    expect(new other.SafeExitError()).toBeInstanceOf(SafeExitError);
    expect(new other.SafeExitError()).not.toBeInstanceOf(ExitError);
    expect(new Error()).not.toBeInstanceOf(ExitError);
    class Usage extends ExitError {}
    expect(new other.ExitError(64)).not.toBeInstanceOf(Usage);
    expect(new Usage(64)).toBeInstanceOf(other.ExitError);
  });

  it("tasks are listed, and stopped, by whichever is asked", async () => {
    const tasks = [guarded, other].map(({ spawn }) =>
      spawn((token) => token.race(new Promise(() => {})), { name: "poller" }),
    );
    expect(new Set(guarded.backgroundTasks())).toEqual(new Set(tasks));
    expect(new Set(other.backgroundTasks())).toEqual(new Set(tasks));
    await other.stopBackgroundTasks({ reason: "deploy" });
    expect(tasks.map(({ status }) => status)).toEqual(["cancelled", "cancelled"]);
    expect(tasks[0]!.error).toMatchObject({ source: "shutdown", reason: "deploy" });
    expect(guarded.backgroundTasks().size).toBe(0);
  });

  it("tasks follow the other's main, and end it", async () => {
    const codes: number[] = [];
    const lines: string[] = [];
    const logger = { error: (text: string) => void lines.push(text) };
    const exit = (code: number): void => void codes.push(code);
    let listed = 0;
    await guarded.runMain(
      async (token) => {
        const poller = other.spawn((own) => own.race(new Promise(() => {})));
        other.spawnGuarded(() => Promise.reject(new other.ExitError(9)), { logger });
        await token.race(new Promise(() => {})).catch(() => undefined);
        listed = Number(poller.cancelRequested);
      },
      { exit, logger },
    );
    expect(listed).toBe(1);
    expect(codes).toEqual([9]);
    await other.runMain(() => guarded.runMain(() => {}), { exit, logger });
    expect(codes).toEqual([9, 1]);
    expect(lines.at(-1)).toContain("InvalidStateError: runMain is running already");
  });
});
