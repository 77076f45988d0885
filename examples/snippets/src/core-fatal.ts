import { FatalError, TaskScope, sleep } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";

// #region fatal
class OutOfLicences extends FatalError {}

try {
  await TaskScope.run((scope) =>
    TaskGroup.run(
      (group) => {
        group.spawn((token) => sleep(60_000, token));
        group.spawn(() => Promise.reject(new OutOfLicences("no licence left")));
      },
      { token: scope.token },
    ),
  );
} catch (error) {
  console.log(error instanceof OutOfLicences); // bare, through both owners
}
// #endregion

// Output:
// true
