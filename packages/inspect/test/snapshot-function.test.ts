/** Apart from the other tests: what it begins lasts. */
import { TaskScope } from "@scope/core";
import { formatTree, inspect, snapshot } from "@scope/inspect";
import { describe, expect, it } from "vitest";

describe(snapshot, () => {
  it("begins to observe, for good, when nobody does; and shares what there is", async () => {
    const inspected = inspect();
    const scope = new TaskScope({ name: "shared" });
    expect(snapshot().scopes.map(({ name }) => name)).toEqual(["shared"]);
    await inspected[Symbol.asyncDispose]();
    await inspected[Symbol.asyncDispose]();
    expect(snapshot().scopes).toEqual([]);
    const later = new TaskScope({ name: "later" });
    expect(snapshot().scopes.map(({ name }) => name)).toEqual(["later"]);
    expect(formatTree(snapshot())).toContain(`(pid ${process.pid})`);
    await Promise.all([scope.join(), later.join()]);
  });
});
