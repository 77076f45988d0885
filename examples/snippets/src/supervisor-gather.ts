import { sleep } from "@scope/core";
import { gather } from "@scope/supervisor";

// #region gather
const [user, orders] = await gather(
  [() => sleep(5).then(() => "Ada"), () => Promise.reject<number[]>(new Error("no route"))],
  { timeout: 1_000 },
);
console.log(user);
console.log(orders.status === "fulfilled" ? orders.value.length : String(orders.reason));
// #endregion

// Output:
// { status: 'fulfilled', value: 'Ada' }
// Error: no route
