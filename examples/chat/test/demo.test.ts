import { eventually } from "@scope/test-utils/node";
import { describe, expect, it } from "vitest";

import { Run } from "./program.ts";

describe("the demonstration", () => {
  it("plays from the first message to the drain, and exits with 0", async () => {
    const run = new Run([]);

    expect(await run.ended()).toBe(0);
    const lines = run.stdout.split("\n");
    expect(lines).toContain("  Bob: Hello, Ann!");
    expect(lines).toContain("  Eve was disconnected: 1011, something went wrong here");
    expect(lines).toContain("  Bob: I am still here.");
    expect(lines).toContain(
      '{"status":"ok","connections":2,"messages":2,"children":[{"name":"announcer","status":"running","restarts":1}]}',
    );
    expect(lines).toContain("  Ann was disconnected: 1001, the server is shutting down");
    expect(lines.slice(-2)).toEqual(["Every task has ended.", ""]);
    expect(run.log.filter(({ err }) => err !== undefined)).toMatchObject([
      { task: "connection 3", err: { type: "TypeError" } },
      { task: "announcer", err: { message: "the announcer has lost the thread" } },
    ]);
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 0],
  ] as const)("is cut short by %s in order, and exits with %i", async (signal, exitCode) => {
    const run = new Run([]);
    await eventually(() => expect(run.stdout).toContain("I am still here."));

    run.kill(signal);

    expect(await run.ended()).toBe(exitCode);
    expect(run.stdout).not.toContain("Every task has ended.");
    expect(run.log.at(-1)).toMatchObject({ msg: "everything has ended" });
  });
});
