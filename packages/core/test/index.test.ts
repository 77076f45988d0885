import * as core from "@scope/core";
import { describe, expect, it } from "vitest";

describe("@scope/core", () => {
  it("exports this and nothing else", () => {
    expect(Object.keys(core).sort()).toMatchInlineSnapshot(`
      [
        "CancellationSource",
        "CancellationToken",
        "CancelledError",
        "FatalError",
        "InvalidStateError",
        "Task",
        "TaskGroupError",
        "TaskScope",
        "TimeoutError",
        "backgroundSpawner",
        "brand",
        "cancelAndWait",
        "checkCount",
        "checkDuration",
        "checkFunction",
        "failAfter",
        "isCancellation",
        "moveOnAfter",
        "observe",
        "readable",
        "reportTaskError",
        "setDebug",
        "setTaskErrorHandler",
        "sleep",
        "tie",
        "wrongType",
      ]
    `);
  });

  it("needs nothing of the environment to be imported: no handler is set, no timer runs", () => {
    expect(core.setTaskErrorHandler(undefined)).toBeUndefined();
  });
});
