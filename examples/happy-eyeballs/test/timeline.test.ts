import { describe, expect, it } from "vitest";

import { Timeline } from "../src/timeline.ts";

describe(Timeline, () => {
  it("draws nothing before it knows the addresses", () => {
    expect(new Timeline().draw()).toEqual([]);
  });

  it("draws a line per address, in their order, time to the right", () => {
    let now = 1_000;
    const timeline = new Timeline(() => now);
    now = 5_000; // The lookup took its time.
    timeline.note({ type: "resolved", addresses: ["::1", "10.0.0.1", "10.0.0.2", "10.0.0.3"] });
    timeline.note({ type: "started", address: "::1" });
    now = 5_235;
    timeline.note({ type: "started", address: "10.0.0.1" });
    now = 5_245;
    timeline.note({ type: "failed", address: "10.0.0.1", error: new Error("no way") });
    timeline.note({ type: "closed", address: "10.0.0.1" });
    timeline.note({ type: "started", address: "10.0.0.2" });
    now = 5_465;
    timeline.note({ type: "connected", address: "10.0.0.2" });
    now = 5_470;
    timeline.note({ type: "closed", address: "::1" });

    expect(timeline.draw().join("\n")).toMatchInlineSnapshot(`
      "          0 ms                                      470 ms
      ::1       -----------------------------------------------|  closed after 470 ms
      10.0.0.1                          -x                        no way after 10 ms
      10.0.0.2                           ----------------------*  connected after 220 ms
      10.0.0.3                                                    not tried"
    `);
  });

  it("knows who failed and who never answered", () => {
    const timeline = new Timeline();
    const error = new Error("no way");
    timeline.note({ type: "resolved", addresses: ["a", "b", "c"] });
    for (const address of ["a", "b"]) timeline.note({ type: "started", address });
    timeline.note({ type: "failed", address: "a", error });
    for (const address of ["a", "b"]) timeline.note({ type: "closed", address });

    expect(timeline.failures).toEqual([{ address: "a", error }]);
    expect(timeline.unanswered).toEqual(["b"]);
  });
});
