import { ExitError, type GuardOptions, SafeExitError, exitOnError, spawnGuarded } from "@scope/guarded";
import { TaskGroup } from "@scope/taskgroup";

// #region exit
const guard: GuardOptions = {
  logger: { error: (text: string) => console.log(`log: ${text.split("\n", 1)[0]}`) },
  exit: (code) => console.log("exit", code),
};
const ends = (error: Error) => () => Promise.reject(error);

await show(spawnGuarded(ends(new TypeError("a bug")), { ...guard, name: "poller" }));
await show(spawnGuarded(ends(new ExitError(78, "no configuration")), guard));
await show(spawnGuarded(ends(new SafeExitError("nothing left to do")), guard));

// A task of somebody else's: its group fails as ever, and so does the program.
const group = TaskGroup.run((group) => {
  const task = group.spawn(ends(new Error("no route")), { name: "mirror" });
  task.onDone((done) => exitOnError(done, { ...guard, exitCode: 70 }));
});
await show(group);
// #endregion

async function show(ending: PromiseLike<unknown>): Promise<void> {
  await ending.then(undefined, (error: unknown) =>
    console.log(`awaited: ${String(error).split("\n", 1)[0]}`),
  );
}

// Output:
// log: TypeError: a bug
// log: Exception in background task (name="poller"): TypeError: a bug
// exit 1
// awaited: TypeError: a bug
// log: no configuration
// exit 78
// awaited: ExitError: no configuration
// awaited: SafeExitError: nothing left to do
// log: Error: no route
// log: Exception in background task (name="mirror"): Error: no route
// exit 70
// awaited: TaskGroupError: unhandled errors in TaskGroup "taskgroup-1" (1 sub-error)
