import { type Task, TaskScope, sleep } from "@scope/core";
import { formatTree, inspect } from "@scope/inspect";

// #region deadlock
const inspected = inspect({ waits: true });
const scope = new TaskScope({ name: "pipeline" });

const reader: Task<void> = scope.spawn(
  async (token) => {
    await sleep(1, token);
    await writer; // until there is room in the buffer
  },
  { name: "reader" },
);
const writer: Task<void> = scope.spawn(
  async (token) => {
    await sleep(1, token);
    await reader; // until there is something in it
  },
  { name: "writer" },
);

await sleep(100);
const [, verdict] = formatTree(await inspected.snapshot()).split("\n");
console.log(verdict);
await inspected[Symbol.asyncDispose]();
// #endregion

// Output:
// deadlock: task "reader" waits for task "writer", which waits for task "reader"
