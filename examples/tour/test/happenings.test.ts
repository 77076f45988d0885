import { TaskScope, sleep } from "@scope/core";
import { describe, expect, it, onTestFinished } from "vitest";

import { type Happening, watch } from "../src/happenings.ts";

describe(watch, () => {
  it("tells what happens as plain data, with the time of its clock", async () => {
    const happenings: Happening[] = [];
    const unwatch = watch(
      (happening) => happenings.push(happening),
      () => 7,
    );
    onTestFinished(unwatch);

    await TaskScope.run(
      (scope) => {
        const waits = scope.spawn((token) => sleep(Infinity, token), { name: "waits" });
        scope.spawn(() => Promise.reject(new Error("no\nway")), { name: "fails" });
        waits.cancel("enough");
      },
      { name: "jobs", onError: "ignore" },
    );
    unwatch();
    await TaskScope.run(() => undefined);

    const [scope, first, , , second] = happenings.map(({ id }) => id);
    expect(new Set([scope, first, second]).size).toBe(3);
    expect(happenings).toEqual(
      [
        { type: "opened", id: scope, name: "jobs", parent: undefined },
        { type: "spawned", id: first, name: "waits", scope },
        { type: "started", id: first },
        { type: "sleeping", id: first, ms: Number.MAX_SAFE_INTEGER },
        { type: "spawned", id: second, name: "fails", scope },
        { type: "started", id: second },
        { type: "asked", id: first, source: "explicit", reason: "enough" },
        { type: "ended", id: second, status: "failed", error: "no way" },
        { type: "ended", id: first, status: "cancelled", error: undefined },
        { type: "closed", id: scope },
      ].map((happening) => ({ ...happening, at: 7 })),
    );
    expect(JSON.parse(JSON.stringify(happenings))).toMatchObject(
      JSON.parse(JSON.stringify(happenings)) as object,
    );
  });
});
