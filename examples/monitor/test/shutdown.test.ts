import { TimeoutError } from "@scope/core";
import { Deferred, rejection } from "@scope/test-utils";
import { eventually, temporaryDirectory } from "@scope/test-utils/node";
import { describe, expect, it, onTestFinished } from "vitest";

import {
  Events,
  Run,
  closedPort,
  configOf,
  httpTarget,
  makeTargets,
  openSilence,
  openSite,
  openStage,
} from "./program.ts";

const connecting = (port: number) => ({ DATABASE_URL: `postgres://monitor:x@127.0.0.1:${port}/monitor` });

describe("a signal", () => {
  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 0],
  ] as const)(
    "%s stops the services in reverse order, says so, and the program exits with %i",
    async (signal, code) => {
      const run = new Run(["--verbose"]);
      const events = await Events.open(await run.url());
      await events.next("check");

      run.kill(signal);

      expect(await run.ended()).toBe(code);
      const { lines } = run;
      const recorded = lines.filter((line) => line.includes(" #")).length;
      expect(lines.slice(lines.indexOf(`stopping: ${signal}`))).toEqual([
        `stopping: ${signal}`,
        "stopped probes: 3 probes",
        "stopped web: 1 page open",
        `stopped history: ${recorded} check${recorded === 1 ? "" : "s"} recorded`,
        expect.stringMatching(/^healthy: \d+ checks?, 0 failed, 0 restarts$/),
        expect.stringMatching(/^flaky: /),
        expect.stringMatching(/^slow: /),
      ]);
      await expect(events.next("nothing")).rejects.toThrow();
      expect(run.log.filter(({ level }) => level > 40)).toEqual([]);
    },
  );

  it("in the middle of the start stops what had started, and no more is started", async () => {
    const { port, connected } = await openSilence();
    const run = new Run(["--stop-timeout", "1ms"], connecting(port));
    await connected;

    run.kill("SIGTERM");

    expect(await run.ended()).toBe(1);
    expect(run.lines).toEqual(["stopping: SIGTERM"]);
    expect(run.log.at(-1)).toMatchObject({
      msg: "not everything has stopped",
      err: { type: "TimeoutError", message: expect.stringContaining("Stopping history took") as unknown },
    });
  });

  it("when one has come already ends the program at once", async () => {
    const { port, connected } = await openSilence();
    const run = new Run(["--stop-timeout", "1h"], connecting(port));
    await connected;
    run.kill("SIGTERM");
    await run.printed(/^stopping: SIGTERM$/m);

    run.kill("SIGINT");

    expect(await run.ended()).toBe(130);
    expect(run.stdout).not.toContain("stopped");
  });
});

describe("a service that does not stop", () => {
  it("within its budget is named and left behind, and those before it are stopped all the same", async () => {
    const { url } = await openSite();
    const { services, history, told, events } = await openStage(configOf([httpTarget("a", url)]), {
      stopTimeout: 30,
    });
    await eventually(() => expect(events.length).toBeGreaterThan(0));
    const begun = new Deferred();
    const gate = new Deferred();
    const record = history.record.bind(history);
    history.record = async (check) => {
      begun.resolve();
      await gate.promise;
      return record(check);
    };
    onTestFinished(() => {
      gate.reject(new Error("the test is over"));
    });
    await begun.promise;

    const error = await rejection(services.stop());

    expect(error).toBeInstanceOf(TimeoutError);
    expect((error as Error).message).toBe("Stopping probes took longer than 30 ms");
    expect(told).toEqual([
      "stopped web: 0 pages open",
      expect.stringMatching(/^stopped history: \d+ checks? recorded$/),
    ]);
  });
});

describe("--duration", () => {
  it("makes a finite run that ends well", async () => {
    const run = new Run(["--duration", "2.5"]);

    expect(await run.ended()).toBe(0);
    expect(run.lines.slice(0, 4)).toEqual([
      expect.stringMatching(/^watching healthy: http:/),
      expect.stringMatching(/^watching flaky: http:/),
      expect.stringMatching(/^watching slow: http:/),
      expect.stringMatching(/^page: http:/),
    ]);
    for (const name of ["healthy", "flaky", "slow"])
      expect(run.stdout).toMatch(new RegExp(`${name} is up \\(`));
    expect(run.lines.slice(-7, -3)).toEqual([
      "stopping: the time is over",
      "stopped probes: 3 probes",
      "stopped web: 0 pages open",
      expect.stringMatching(/^stopped history: \d+ checks recorded$/),
    ]);
    expect(run.stderr).toBe("");
  });

  it("counts a failing target's restarts", async () => {
    const port = await closedPort();
    const file = await makeTargets(
      `backoff: { initial: 10ms, max: 20ms }\ntargets:\n  - { name: gone, tcp: "127.0.0.1:${port}" }\n`,
    );
    const run = new Run([
      file,
      "--port=0",
      `--data=${await temporaryDirectory()}/monitor.db`,
      "--duration=1",
    ]);

    expect(await run.ended()).toBe(0);
    expect(run.stdout).toMatch(/^\d\d:\d\d:\d\d gone is down: connect ECONNREFUSED 127\.0\.0\.1:\d+$/m);
    const [, checks, failed, restarts] = /^gone: (\d+) checks, (\d+) failed, (\d+) restarts$/m
      .exec(run.stdout)!
      .map(Number);
    expect(failed).toBe(checks);
    expect(restarts).toBeGreaterThan(1);
    // All of it in the log, as warnings, once each and by the name of the task.
    expect(run.log).toHaveLength(failed!);
    for (const line of run.log) {
      expect(line).toMatchObject({
        level: 40,
        task: "ProbeService:probes:gone",
        reason: expect.any(String) as unknown,
      });
      expect(line.err).toBeUndefined();
    }
  });
});

describe("a start that cannot be", () => {
  it("for a port that is taken is told, and the program exits with 1", async () => {
    const { port } = await openSite();
    const run = new Run(["--port", String(port)]);

    expect(await run.ended()).toBe(1);
    expect(run.lines[0]).toBe("stopped history: 0 checks recorded");
    expect(run.log.at(-1)).toMatchObject({ level: 60, msg: "cannot go on" });
    expect(run.stderr).toContain("EADDRINUSE");
  });

  it("for a database that is not there is told, and the program exits with 1", async () => {
    const run = new Run([], connecting(await closedPort()));

    expect(await run.ended()).toBe(1);
    expect(run.log.at(-1)).toMatchObject({ level: 60, msg: "cannot go on" });
    expect(run.stderr).toContain("ECONNREFUSED");
  });
});
