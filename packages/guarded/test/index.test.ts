import * as guarded from "@scope/guarded";
import { describe, expect, it } from "vitest";

describe("@scope/guarded", () => {
  it("exports this and nothing else", () => {
    expect(Object.keys(guarded).sort()).toMatchInlineSnapshot(`
      [
        "ExitError",
        "SafeExitError",
        "backgroundTasks",
        "exitOnError",
        "runMain",
        "spawn",
        "spawnGuarded",
        "stopBackgroundTasks",
      ]
    `);
  });
});
