import * as persistent from "@scope/persistent";
import { describe, expect, it } from "vitest";

describe("@scope/persistent", () => {
  it("exports this and nothing else", () => {
    expect(Object.keys(persistent).sort()).toMatchInlineSnapshot(`
      [
        "PersistentTaskGroup",
        "ServiceBase",
        "ServiceGroup",
      ]
    `);
  });
});
