import { describe, expect, it } from "vitest";

import type { Happening } from "../src/happenings.ts";
import { Timeline } from "../src/timeline.ts";

/** A happening without its time. */
type Untimed = Happening extends infer H ? (H extends unknown ? Omit<H, "at"> : never) : never;

/** A timeline, and a clock that is set by hand. */
class Story {
  readonly timeline = new Timeline();
  now = 5_000;

  at(after: number, ...happenings: readonly Untimed[]): (string | undefined)[] {
    this.now = 5_000 + after;
    return happenings.map((happening) => this.timeline.note({ ...happening, at: this.now }));
  }

  draw(width = 70): string {
    return this.timeline
      .draw(this.now, undefined, width)
      .map((line) => line.trimEnd())
      .join("\n");
  }
}

const opened = (id: string, name: string, parent?: string): Untimed => ({ type: "opened", id, name, parent });
const spawned = (id: string, name: string, scope = "s"): Untimed => ({ type: "spawned", id, name, scope });
const started = (id: string): Untimed => ({ type: "started", id });
const ended = (id: string, status: "succeeded" | "failed" | "cancelled", error?: string): Untimed => ({
  type: "ended",
  id,
  status,
  error,
});
const asked = (id: string, source: "sibling" | "timeout"): Untimed => ({
  type: "asked",
  id,
  source,
  reason: "",
});

describe(Timeline, () => {
  it("draws nothing before there is a task", () => {
    const story = new Story();
    expect(story.at(0, opened("s", "jobs"))).toEqual([undefined]);
    expect(story.draw()).toBe("");
    expect(story.at(10, { type: "closed", id: "s" })).toEqual([undefined]);
  });

  it("draws a row for the scope and each task, time to the right, and says what happens", () => {
    const story = new Story();
    expect(
      story.at(
        0,
        opened("s", "jobs"),
        spawned("1", "quick"),
        started("1"),
        spawned("2", "slow"),
        started("2"),
      ),
    ).toEqual([undefined, "quick is spawned in jobs", undefined, "slow is spawned in jobs", undefined]);
    expect(
      story.at(200, ended("1", "failed", "no way"), asked("s", "sibling"), asked("2", "sibling")),
    ).toEqual([
      "quick failed: no way after 200 ms",
      "jobs is cancelled (sibling)",
      "slow is asked to end (sibling)",
    ]);
    expect(story.at(300, ended("2", "cancelled"), { type: "closed", id: "s" })).toEqual([
      "slow cancelled (sibling) after 300 ms",
      "jobs is closed",
    ]);
    expect(`\n${story.draw()}`).toMatchInlineSnapshot(`
      "
                 0 ms                   300 ms
        jobs     ━━━━━━━━━━━━━━━━━━━╌╌╌╌╌╌╌╌╌│  closed after 300 ms
          quick  ━━━━━━━━━━━━━━━━━━━✗           failed: no way after 200 ms
          slow   ━━━━━━━━━━━━━━━━━━━╌╌╌╌╌╌╌╌╌◌  cancelled (sibling) after 3…"
    `);
  });

  it("shows what runs, waits for its turn, sleeps and is asked to end, as it goes on", () => {
    const story = new Story();
    story.at(0, opened("s", "jobs"), spawned("1", "first"), started("1"), spawned("2", "second"));
    story.at(100, { type: "sleeping", id: "1", ms: 100 });
    expect(`\n${story.draw()}`).toMatchInlineSnapshot(`
      "
                  0 ms                  100 ms
        jobs      ━━━━━━━━━━━━━━━━━━━━━━━━━━━━  runs
          first   ━━━━━━━━━━━━━━━━━━━━━━━━━━━·  waits
          second  ····························  waits"
    `);
    expect(story.at(300, started("2"), asked("1", "timeout"))).toEqual([
      "second starts",
      "first is asked to end (timeout)",
    ]);
    story.now += 100;
    expect(`\n${story.draw()}`).toMatchInlineSnapshot(`
      "
                  0 ms                  400 ms
        jobs      ━━━━━━━━━━━━━━━━━━━━━━━━━━━━  runs
          first   ━━━━━━━·······━━━━━━━╌╌╌╌╌╌╌  is asked to end (timeout)
          second  ·····················━━━━━━━  runs"
    `);
  });

  it("goes on in the same row when a task is started again", () => {
    const story = new Story();
    story.at(0, opened("s", "jobs"), spawned("1", "shaky"), started("1"));
    story.at(100, ended("1", "failed", "exit 1"));
    expect(story.at(200, spawned("2", "shaky"))).toEqual(["shaky is started again"]);
    story.at(200, started("2"));
    story.at(300, ended("2", "succeeded"));
    expect(`\n${story.draw()}`).toMatchInlineSnapshot(`
      "
                 0 ms                   300 ms
        jobs     ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  runs
          shaky  ━━━━━━━━━✗·········━━━━━━━━━✓  succeeded, started twice"
    `);
  });

  it("gives tasks of one name that run at once a row each", () => {
    const story = new Story();
    story.at(0, opened("s", "jobs"), spawned("1", "twin"), started("1"), spawned("2", "twin"), started("2"));
    expect(story.draw().match(/twin/g)).toHaveLength(2);
  });

  it("takes owners that are built of several scopes for one, and leaves out what has no name", () => {
    const story = new Story();
    story.at(0, opened("s", "workers"), opened("t", "workers", "s"));
    expect(story.at(0, spawned("0", "\0"), started("0"), ended("0", "cancelled"))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    story.at(0, spawned("1", "child", "t"), started("1"));
    expect(story.draw().match(/workers/g)).toHaveLength(1);
  });

  it("indents a scope inside another", () => {
    const story = new Story();
    story.at(
      0,
      opened("s", "outer"),
      spawned("1", "task"),
      opened("t", "inner", "s"),
      spawned("2", "task", "t"),
    );
    expect(
      story
        .draw()
        .split("\n")
        .slice(1)
        .map((line) => /^ *\w+/.exec(line)?.[0]),
    ).toEqual(["  outer", "    task", "    inner", "      task"]);
  });

  it("leaves out the group's part in the names of a persistent group", () => {
    const story = new Story();
    expect(
      story.at(
        0,
        opened("s", "monitor"),
        spawned("1", "PersistentTaskGroup:monitor"),
        spawned("2", "PersistentTaskGroup:monitor:a:b"),
        spawned("3", "PersistentTaskGroup:other:a"),
      ),
    ).toEqual([
      undefined,
      "body is spawned in monitor",
      "a:b is spawned in monitor",
      "PersistentTaskGroup:other:a is spawned in monitor",
    ]);
  });

  it("knows nothing of what it has not seen begin", () => {
    const story = new Story();
    expect(
      story.at(0, spawned("1", "task"), started("1"), asked("1", "sibling"), ended("1", "cancelled")),
    ).toEqual([undefined, undefined, undefined, undefined]);
    expect(story.draw()).toBe("");
  });

  it("fits its lines to the terminal", () => {
    const story = new Story();
    story.at(0, opened("s", "jobs"), spawned("1", "task"), started("1"));
    story.at(50, ended("1", "failed", "a text that goes on and on ".repeat(5)));
    for (const width of [60, 80, 100]) {
      for (const line of story.draw(width).split("\n")) expect(line.length).toBeLessThanOrEqual(width);
    }
    expect(story.draw(60)).toContain("…");
  });

  it("hands out neighbours of one tone together", () => {
    const story = new Story();
    story.at(0, opened("s", "jobs"), spawned("1", "task"), started("1"));
    story.at(100, ended("1", "succeeded"));
    const painted: string[] = [];
    story.timeline.draw(story.now, (tone, text) => {
      painted.push(`${tone} ${text.length > 1 ? text[0] : text}`);
      return text;
    });
    expect(painted).toEqual(["plain  ", "running ━", "running r", "running ━", "succeeded ✓", "succeeded s"]);
  });
});
