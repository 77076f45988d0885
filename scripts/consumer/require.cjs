// Node can `require()` the packages, and gets the same classes as `import`.
const assert = require("node:assert/strict");
const core = require("@scope/core");
const { PersistentTaskGroup } = require("@scope/persistent");
const { gather } = require("@scope/supervisor");
const { TaskGroup } = require("@scope/taskgroup");

async function main() {
  assert.equal((await import("@scope/core")).CancelledError, core.CancelledError);
  assert.equal(await TaskGroup.run((group) => group.spawn(() => 1)), 1);
  assert.equal(await PersistentTaskGroup.run((group) => group.spawn(() => 2)), 2);
  assert.deepEqual(await gather([() => 1]), [{ status: "fulfilled", value: 1 }]);
  await assert.rejects(
    TaskGroup.run(() => {
      throw new Error("no");
    }),
    (error) => error instanceof core.TaskGroupError,
  );
  console.log("ok");
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
