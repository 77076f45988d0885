/** What users' own functions do wrong must stay with them. */
import { Supervisor } from "@scope/supervisor";
import { Deferred, captureReports } from "@scope/test-utils";
import { describe, expect, it } from "vitest";

describe(Supervisor, () => {
  it("ends when its onTaskDone throws, which is told (L1, L9)", async () => {
    using reports = captureReports();
    const error = new Error("of the callback");
    const supervisor = new Supervisor({
      onTaskDone: () => {
        throw error;
      },
    });
    const work = new Deferred();
    supervisor.spawn(() => work.promise);
    const joined = supervisor.join();
    work.resolve();
    await joined;
    expect(supervisor.state).toBe("closed");
    expect(reports.map((report) => report.error)).toEqual([error]);
  });

  it("follows no token when it refuses an option (L11)", () => {
    const { signal } = new AbortController();
    let listeners = 0;
    signal.addEventListener = () => void listeners++;
    const open = (): unknown => new Supervisor({ token: signal, onTaskDone: 5 as never });
    expect(open).toThrow(/`onTaskDone`/);
    expect(listeners).toBe(0);
  });
});
