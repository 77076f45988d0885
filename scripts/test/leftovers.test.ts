import { spawnSync } from "node:child_process";
import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";

const root = path.join(import.meta.dirname, "..", "..");

interface Report {
  testResults: { name: string; message: string; assertionResults: { failureMessages: string[] }[] }[];
}

/** By file: everything that the run says went wrong. */
const messages = new Map<string, string>();
let status: number | null;

beforeAll(() => {
  const vitest = path.join(root, "node_modules/vitest/vitest.mjs");
  const run = spawnSync(process.execPath, [vitest, "run", "--root", "scripts/test/leaky"], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1", VITEST: undefined },
  });
  ({ status } = run);
  for (const { name, message, assertionResults } of (JSON.parse(run.stdout) as Report).testResults) {
    const all = [message, ...assertionResults.flatMap(({ failureMessages }) => failureMessages)];
    messages.set(path.basename(name), all.filter((text) => text !== "").join("\n"));
  }
}, 60_000);

describe("after a test file", () => {
  test("whatever it has left behind fails it, and is named", () => {
    const said = messages.get("process.leaky.ts");
    expect(said).toMatch(/process\.leaky\.ts left behind:\n/);
    const left = said?.split("\n").filter((line) => line.startsWith("  "));
    expect(left?.slice(0, 9).sort()).toEqual([
      "  1 listeners on an abort signal that is still reachable",
      "  a TCPServerWrap that is active",
      "  a Timeout that is active",
      '  a background task, "endless"',
      '  a listener of process, "SIGUSR2"',
      '  a listener of process, "leaky"',
      "  another now than before",
      "  another process-wide handler than before",
      "  another warn than before",
    ]);
    expect(status).toBe(1);
  });

  test("a rejection that nobody handles fails it, even after all tests", () => {
    expect(messages.get("rejection.leaky.ts")).toMatch(
      /rejection\.leaky\.ts left errors that nobody handled: Error: after all tests/,
    );
  });

  test("a timer on a test's own clock fails the test", () => {
    expect(messages.get("clock.leaky.ts")).toMatch(/the test left 1 timers on its clock/);
  });

  test("nothing is said of one that puts everything back", () => {
    expect(messages.get("tidy.leaky.ts")).toBe("");
  });
});
