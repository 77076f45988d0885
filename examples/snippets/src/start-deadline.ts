import { TimeoutError, sleep } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";

// #region deadline
const user = new AbortController(); // a button, a closed connection, Ctrl-C
const upload = TaskGroup.run((group) => group.spawn((token) => sleep(60_000, token)), {
  token: user.signal,
});
user.abort("the user pressed stop");
await upload.catch((error: unknown) => console.log(String(error)));

const query = TaskGroup.run((group) => group.spawn((token) => sleep(60_000, token)), { timeout: 10 });
await query.catch((error: unknown) => console.log(error instanceof TimeoutError));
// #endregion

// Output:
// AbortError: the user pressed stop
// true
