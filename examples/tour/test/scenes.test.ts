import { readFile } from "node:fs/promises";

import { describe, expect, it } from "vitest";

import { Tour, answersOf } from "./program.ts";

const escape = "\u001B";

/** Plays one scene to its end. */
async function play(scene: string): Promise<string> {
  const tour = new Tour(["--scene", scene], { FORCE_COLOR: "1" });
  const { code, stdout, stderr } = await tour.finished();
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  await tour.allGone();
  expect(stdout).not.toContain(escape);
  expect(stdout.match(/^\d {2}@scope\/.*/gm)).toHaveLength(1);
  return stdout;
}

/** A size as the tables have it, in bytes. */
function bytes(text: string | undefined): number {
  const [, amount = "", unit = ""] = /^([\d.]+) (B|kB|MB)$/.exec(text ?? "") ?? [];
  return Number(amount) * { B: 1, kB: 1e3, MB: 1e6 }[unit as "B"];
}

function numbers(answers: readonly string[]): number[] {
  return answers.map(Number);
}

/** What an output says, line by line: without numbers, and however long the bars are. What comes first is a matter of luck. */
function outline(text: string): string[] {
  return text
    .replace(/\d+(\.\d+)?( [kM]B)?/g, "N")
    .replace(/[━·╌ ]+/g, " ")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .sort();
}

/** The README shows what is really printed; or, without the events, what a terminal shows in the end. */
async function expectShown(file: string, output: string, { events }: { events: boolean }): Promise<void> {
  const readme = await readFile(new URL(file, import.meta.url), "utf8");
  const [scene = ""] = output.split("\nPlayed in ");
  const [title = ""] = scene.split("\n");
  const block = readme.split(/^```.*\n/m).find((part) => part.startsWith(title)) ?? "";
  const shown = events ? scene : scene.replace(/^ +\d+ ms {2}\S.*\n/gm, "");
  expect(outline(block)).toEqual(outline(shown));
}

describe("the scene of", () => {
  it("core leaves no connection open, Promise.race does", async () => {
    const output = await play("core");

    expect(output).toMatch(/^ +\d+ ms {2}small is spawned in moveOnAfter$/m);
    expect(output).toMatch(/^ {4}small +━+✓ +succeeded after \d+ ms$/m);
    expect(output).toMatch(/^ {4}endless +━+╌*◌ +cancelled \(timeout\) after \d+ ms$/m);
    const [ours, plain = 0] = numbers(answersOf(output, /^connections open/));
    expect(ours).toBe(0);
    expect(plain).toBeGreaterThan(0);
    const [sent, sentPlainly] = answersOf(output, "sent to them meanwhile").map(bytes);
    expect(sent).toBe(0);
    expect(sentPlainly).toBeGreaterThan(0);
    await expectShown("../../../README.md", output, { events: false });
  });

  it("taskgroup tells every failure when nothing runs any more, Promise.all neither", async () => {
    const output = await play("taskgroup");

    expect(answersOf(output, /^requests that still ran/)).toEqual(["0", "3"]);
    const [ours, plain = 0] = numbers(answersOf(output, /^connections open/));
    expect(ours).toBe(0);
    expect(plain).toBeGreaterThanOrEqual(2);
    const [sent, sentPlainly] = answersOf(output, "sent to them meanwhile").map(bytes);
    expect(sent).toBe(0);
    expect(sentPlainly).toBeGreaterThan(0);
    expect(answersOf(output, "failures told")).toEqual(["2 of 2", "1 of 2"]);
    expect(answersOf(output, /unhandledRejection/)).toEqual(["0", "0"]);
    expect(output).toContain(
      "\n  TaskGroup has told: ECONNRESET, HTTP 503\n  Promise.all has told: ECONNRESET\n",
    );
  });

  it("supervisor starts what crashes again and leaves no process, Promise.all leaves one", async () => {
    const output = await play("supervisor");

    expect(output.match(/^ +\d+ ms {2}shaky is started again$/gm)).toHaveLength(3);
    expect(answersOf(output, /^crashes of shaky/)).toEqual(["3, 3", "1, 1"]);
    expect(answersOf(output, /^processes started/)).toEqual(["3", "0"]);
    const [answered = ""] = answersOf(output, /^requests that steady/);
    expect(answered).toMatch(/^(\d+) of \1$/);
    expect(answersOf(output, /^shaky answers/)).toEqual(["yes", "no"]);
    expect(answersOf(output, /^processes left/)).toEqual(["0", "1"]);
    expect(answersOf(output, /^ports/)).toEqual(["0", "1"]);
    await expectShown("../README.md", output, { events: true });
  });

  it("persistent tells each failure while it runs, the others one or none", async () => {
    const output = await play("persistent");

    const [ours, all, settled] = answersOf(output, /^failures told within/);
    expect(ours).toBe("5 of 5");
    expect([all, settled]).toEqual(["1 of 2", "0 of 2"]);
    const [, , never] = answersOf(output, /^the first one after/);
    expect(never).toBe("never");
    expect(answersOf(output, /^polled again/)).toEqual(["4", "0", "0"]);
    const [polls, ...others] = numbers(answersOf(output, /^polls in the/));
    expect(polls).toBe(0);
    for (const count of others) expect(count).toBeGreaterThan(0);
  });

  it("guarded ends in order, the others leave their lock and lose their journal", async () => {
    const output = await play("guarded");

    expect(answersOf(output, "exit code")).toEqual(["1", "1", "none, it goes on"]);
    expect(answersOf(output, /^the order under way/)).toEqual(["yes", "no", "yes"]);
    const [lines, ...others] = numbers(answersOf(output, /^lines of its journal/));
    expect(lines).toBeGreaterThan(0);
    expect(others).toEqual([0, 0]);
    expect(answersOf(output, /^lock file/)).toEqual(["no", "yes", "yes"]);
    expect(answersOf(output, /^says that it is alive/)).toEqual(["no", "no", "yes"]);
    expect(output).toContain('Exception in background task (name="relay"): Error: the upstream hung up\n');
    expect(output).toMatch(/^ +\d+ ms {2}relay failed: the upstream hung up after \d+ ms$/m);
    expect(output).toMatch(/^ +\d+ ms {2}background is closed$/m);
  });
});
