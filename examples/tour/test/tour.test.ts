import { readdir } from "node:fs/promises";

import { temporaryDirectory } from "@scope/test-utils/node";
import { describe, expect, it } from "vitest";

import { Tour } from "./program.ts";

const names = ["core", "taskgroup", "supervisor", "persistent", "guarded"];

describe("the tour", () => {
  it("plays every scene, in order, and ends", async () => {
    const { code, stdout, stderr } = await new Tour([]).finished();

    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout.match(/^\d {2}@scope\/\w+/gm)).toEqual(
      names.map((name, index) => `${index + 1}  @scope/${name}`),
    );
    expect(stdout.match(/^ {2}measured/gm)).toHaveLength(names.length);
    expect(stdout).toMatch(/\nPlayed in [\d.]+ s\. More programs: pnpm start --list\n$/);
  });

  it("does not mind a reader that goes away", async () => {
    const tour = new Tour(["--scene", "supervisor"]);
    await tour.printed(/shaky is spawned/);
    tour.process.stdout?.destroy();

    expect(await tour.finished()).toMatchObject({ code: 0, stderr: "" });
    await tour.allGone();
  });

  it("takes its processes along when it is killed", async () => {
    const tour = new Tour(["--scene", "supervisor"]);
    await tour.printed(/shaky is spawned/);
    tour.kill("SIGKILL");

    expect(await tour.ended()).toBe("SIGKILL");
    await tour.allGone();
  });
});

/** While our own way is shown, and while plain promises have their turn. */
const moments = [/ ms {2}\w+ is spawned in /, /The same with /];

describe("Ctrl-C", () => {
  it.each(moments)("ends every scene after %s, and no process is left", async (moment) => {
    const TMPDIR = await temporaryDirectory();
    const endings = names.map(async (name) => {
      const tour = new Tour(["--scene", name], { TMPDIR });
      await tour.printed(moment);

      tour.interrupt();

      const { code, stderr } = await tour.finished();
      await tour.allGone();
      return { name, code, stderr };
    });

    expect(await Promise.all(endings)).toEqual(
      names.map((name) => ({ name, code: 130, stderr: "tour: stopped by SIGINT\n" })),
    );
    expect((await readdir(TMPDIR)).filter((file) => file.startsWith("scope-tour-"))).toEqual([]);
  });

  it.each([
    ["SIGHUP", 129],
    ["SIGTERM", 143],
  ] as const)("has its counterpart in %s, for one process alone", async (signal, exitCode) => {
    const tour = new Tour(["--scene", "supervisor"]);
    await tour.printed(/shaky is spawned/);

    tour.kill(signal);

    expect(await tour.finished()).toMatchObject({ code: exitCode, stderr: `tour: stopped by ${signal}\n` });
    await tour.allGone();
  });
});
