import { TaskScope, sleep, type Task } from "@scope/core";
import { formatTree, inspect } from "@scope/inspect";

const inspected = inspect({ waits: true });
// #region deadlock
const scope = new TaskScope({ name: "accounts" });
const ada: Task<void> = scope.spawn(
  async (token) => {
    await sleep(1, token);
    await token.race(bob); // and bob waits for ada
  },
  { name: "ada" },
);
const bob: Task<void> = scope.spawn((token) => token.race(ada), { name: "bob" });

await sleep(20);
const [, deadlock] = formatTree(await inspected.snapshot()).split("\n");
console.log(deadlock);
// #endregion
await scope.stop();
await inspected[Symbol.asyncDispose]();

// Output:
// deadlock: task "ada" waits for task "bob", which waits for task "ada"
