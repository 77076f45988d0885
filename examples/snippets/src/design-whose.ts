import { TaskScope, sleep } from "@scope/core";

await TaskScope.run(
  async (scope) => {
    // #region whose
    const own = scope.spawn((token) => sleep(60_000, token));
    own.cancel(); // its own token, and a cancellation comes out

    const foreign = scope.spawn(() => {
      throw new DOMException("somebody else's", "AbortError"); // nobody has cancelled this task
    });

    const deaf = scope.spawn(() => sleep(5).then(() => "value"));
    deaf.cancel(); // asked, ignored it, returned

    await Promise.allSettled([own, foreign, deaf]);
    console.log(own.status, foreign.status, deaf.status);
    // #endregion
  },
  { onError: "ignore" },
);

// Output:
// cancelled failed succeeded
