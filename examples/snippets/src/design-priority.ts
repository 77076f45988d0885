import { CancellationSource, FatalError, sleep } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";

const attempt = async (failures: readonly Error[], cancel: boolean, timeout: number): Promise<unknown> => {
  const outer = new CancellationSource();
  const run = TaskGroup.run(
    async (group) => {
      for (const failure of failures) {
        group.spawn((token) =>
          sleep(60_000, token).catch(() => {
            throw failure;
          }),
        );
      }
      await sleep(60_000, group.token);
    },
    { token: outer.token, timeout, name: "g" },
  );
  if (cancel) outer.cancel("outer");
  return run;
};
const show = (error: unknown): void => console.log(String(error).split("\n")[0]);

await attempt([], true, Infinity).catch(show);
await attempt([], false, 5).catch(show);
await attempt([new Error("one")], true, Infinity).catch(show);
await attempt([new FatalError("power off")], true, 5).catch(show);

// Output:
// AbortError: outer
// TimeoutError: TaskGroup "g" timed out after 5 ms
// TaskGroupError: unhandled errors in TaskGroup "g" (1 sub-error)
// FatalError: power off
