import { lstatSync, readdirSync } from "node:fs";
import path from "node:path";

import { eventually } from "@scope/test-utils/node";
import { describe, expect, it } from "vitest";

import { buildOnce, openStage } from "./processes.ts";

buildOnce();

describe("a program with --import @scope/inspect/register", () => {
  describe("is the same as without", () => {
    it.each([
      ["ends by itself", 0],
      ["exits with 3", 3],
      ["throws", 1],
      ["never settles", 13],
      ["deadlock with nothing else", 13],
    ])("%s", async (scenario, code) => {
      const stage = await openStage();
      const [plain, registered] = await Promise.all([
        stage.startPlain(scenario).finished(),
        stage.start(scenario).finished(),
      ]);

      expect(plain.code).toBe(code);
      expect(registered).toEqual(plain);
    });

    it("dies of signals", async () => {
      const stage = await openStage();
      for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
        const program = await stage.ready("a few tasks");
        program.kill(signal);
        expect(await program.ended()).toBe(signal);
      }
    });

    it("is kept alive by nothing", async () => {
      const stage = await openStage();
      const { stdout } = await stage.start("lists what keeps it alive").finished();
      expect(JSON.parse(stdout)).toMatchObject({ left: [] });
    });
  });

  describe("on SIGUSR2", () => {
    it("prints the tree to standard error, and goes on", async () => {
      const stage = await openStage();
      const program = await stage.ready("deadlock");

      program.kill("SIGUSR2");

      await eventually(() => expect(program.stderr).toContain("\n├─"));
      expect(program.running).toBe(true);
    });
  });

  describe("its socket", () => {
    it("is for its user alone, and gone with the process", async () => {
      const stage = await openStage();
      const program = await stage.ready("a few tasks");
      const file = path.join(stage.directory, `${program.process.pid}.sock`);

      expect(lstatSync(stage.directory).mode & 0o777).toBe(0o700);
      expect(lstatSync(file).isSocket()).toBe(true);
      expect(lstatSync(file).mode & 0o777).toBe(0o600);
    });
  });
});
