// A user's program on a platform of which TypeScript knows nothing, AbortSignal included; it is only type-checked.
import { CancellationSource, TaskScope, sleep, type CancellationToken } from "@scope/core";
import { PersistentTaskGroup } from "@scope/persistent";
import { Supervisor, gather } from "@scope/supervisor";
import { TaskGroup } from "@scope/taskgroup";

export async function main(): Promise<number> {
  const source = new CancellationSource({ timeout: 1000 });
  const token: CancellationToken = source.token;
  await sleep(1, token.signal);
  await TaskScope.run((scope) => sleep(1, scope.token), { token });
  const [first] = await TaskGroup.map([1, 2], async (n, own) => sleep(n, own).then(() => n));
  await Supervisor.run((supervisor) => supervisor.size, { token });
  await PersistentTaskGroup.run((group) => group.tasks.size, { token });
  const [settled] = await gather([() => 1], { token });
  return settled.status === "fulfilled" ? settled.value : (first ?? 0);
}
