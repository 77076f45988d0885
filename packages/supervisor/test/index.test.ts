import * as supervisor from "@scope/supervisor";
import { describe, expect, it } from "vitest";

describe("@scope/supervisor", () => {
  it("exports this and nothing else", () => {
    expect(Object.keys(supervisor).sort()).toMatchInlineSnapshot(`
      [
        "RestartLimitError",
        "Supervisor",
        "asCompleted",
        "gather",
        "race",
      ]
    `);
  });
});
