import { sleep } from "@scope/core";
import { Supervisor } from "@scope/supervisor";

// #region stop
const supervisor = new Supervisor({ name: "app" });
for (const name of ["database", "cache", "web"]) {
  supervisor.supervise((token) => sleep(Infinity, token).finally(() => console.log(name, "closed")), {
    name,
    stopTimeout: 1_000,
  });
}
await supervisor.stop({ reason: "deployment" }); // what was started last goes first
// #endregion

// Output:
// web closed
// cache closed
// database closed
