/** Where there is no process: `reportError`, and no signals. */
import { sleep, type Task } from "@scope/core";
import { backgroundTasks, runMain, spawn, spawnGuarded, stopBackgroundTasks } from "@scope/guarded";
import { captureReports, rejection, waits } from "@scope/test-utils";
import { afterEach, describe, expect, it, vi } from "vitest";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  expect(backgroundTasks().size).toBe(0);
});

describe("in a browser", () => {
  it("the failure of a guarded task is logged, and reported as uncaught", async () => {
    // Vitest brings one.
    vi.stubGlobal("process", undefined);
    const texts: string[] = [];
    const logger = { error: (text: string) => void texts.push(text) };
    const error = new Error("boom");
    const told = new Promise((resolve) => {
      vi.spyOn(globalThis, "reportError").mockImplementationOnce(resolve);
    });
    await rejection(spawnGuarded(() => Promise.reject(error), { logger, name: "job" }));
    expect(await told).toBe(error);
    expect(texts).toEqual([
      expect.stringContaining("Error: boom"),
      'Exception in background task (name="job"): Error: boom',
    ]);
  });

  it("main runs, and its background tasks end with it", async () => {
    vi.stubGlobal("process", undefined);
    const codes: number[] = [];
    let task: Task<never> | undefined;
    await runMain(
      async () => {
        task = spawn(waits);
        await sleep(1);
      },
      { exit: (code) => codes.push(code) },
    );
    expect(codes).toEqual([0]);
    expect(task?.status).toBe("cancelled");
  });

  it("background tasks are spawned, reported and stopped as anywhere", async () => {
    using reports = captureReports();
    const failed = spawn(() => Promise.reject(new Error("boom")), { name: "save" });
    await rejection(failed);
    spawn(waits);
    await stopBackgroundTasks();
    expect(reports.map(({ task }) => task)).toEqual([failed]);
  });
});
