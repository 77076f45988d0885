import { moveOnAfter, sleep } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";

// #region nursery
await TaskGroup.run(async (nursery) => {
  nursery.spawn((token) => sleep(100, token).then(() => console.log("child")));
  const answer = await moveOnAfter(5, (scope) => sleep(60_000, scope.token).then(() => "late"), {
    token: nursery.token, // trio finds the enclosing scope by itself
  });
  console.log(answer);
});
console.log("all done");
// #endregion

// Output:
// undefined
// child
// all done
