// A user's program for browsers, on all packages. Runs in a page and in a worker.
import {
  CancellationSource,
  TaskScope,
  failAfter,
  isCancellation,
  setTaskErrorHandler,
  sleep,
} from "@scope/core";
import { ExitError, backgroundTasks, runMain, spawn, spawnGuarded } from "@scope/guarded";
import { PersistentTaskGroup, ServiceBase, ServiceGroup } from "@scope/persistent";
import { Supervisor, asCompleted, gather, race } from "@scope/supervisor";
import { TaskGroup } from "@scope/taskgroup";

const failure = new Error("no");
const caught = (promise) =>
  promise.then(
    () => "nothing",
    (error) => error,
  );

/** What came of it, as the check expects it. */
export async function program() {
  const outcome = {};

  const controller = new AbortController();
  const scoped = TaskScope.run((scope) => sleep(60_000, scope.token), { token: controller.signal });
  controller.abort();
  outcome.cancelled = isCancellation(await caught(scoped));
  const source = new CancellationSource();
  const { signal } = source.token;
  const name = `lock of ${globalThis.constructor.name}`;
  await globalThis.navigator.locks.request(name, async () => {
    const second = globalThis.navigator.locks.request(name, { signal }, () => "never");
    source.cancel("enough");
    outcome.lock = (await caught(second)).reason;
  });
  outcome.late = (await caught(failAfter(1, (scope) => sleep(60_000, scope.token)))).name;

  const group = TaskGroup.run((tasks) => {
    tasks.spawn((token) => sleep(60_000, token));
    tasks.spawn(() => Promise.reject(failure));
  });
  outcome.group = (await caught(group)).errors.map(String);
  outcome.map = await TaskGroup.map([1, 2], async (n, token) => sleep(1, token).then(() => n * 2));

  let attempts = 0;
  await Supervisor.run(
    async (supervisor) => {
      const child = supervisor.supervise(
        () => {
          attempts += 1;
          if (attempts < 3) throw failure;
        },
        { name: "child", restart: "transient", backoff: { initial: 1 } },
      );
      while (child.status !== "stopped") await sleep(1);
    },
    { onError: "ignore" },
  );
  outcome.attempts = attempts;
  outcome.race = (await race([(token) => sleep(60_000, token), async () => "first"])).value;
  outcome.gather = (await gather([() => 1, () => Promise.reject(failure)])).map(({ status }) => status);
  outcome.completed = [];
  for await (const task of asCompleted([(token) => sleep(5, token).then(() => "slow"), () => "quick"])) {
    outcome.completed.push(task.result());
  }

  outcome.reports = [];
  setTaskErrorHandler(({ error }) => outcome.reports.push(String(error)));
  const persistent = new PersistentTaskGroup();
  persistent.spawn(() => Promise.reject(failure));
  for await (const task of persistent.asCompleted()) outcome.persistent = String(task.error);
  await persistent.stop();
  outcome.services = [];
  class Service extends ServiceBase {
    async main(token) {
      outcome.services.push(`start ${this.uniqueId}`);
      await sleep(60_000, token).finally(() => outcome.services.push(`stop ${this.uniqueId}`));
    }
  }
  const services = new ServiceGroup(["a", "b"].map((uniqueId) => new Service({ uniqueId })));
  services.start();
  await services.ready();
  await services.stop();

  outcome.ended = [];
  await runMain(
    async (token) => {
      spawn((own) => sleep(60_000, own).finally(() => outcome.ended.push("cleaned up")));
      spawnGuarded(() => Promise.reject(new ExitError(78)));
      await sleep(60_000, token);
    },
    { exit: (code) => outcome.ended.push(code) },
  );
  outcome.left = backgroundTasks().size;
  return outcome;
}

export const expected = {
  cancelled: true,
  lock: "enough",
  late: "TimeoutError",
  group: ["Error: no"],
  map: [2, 4],
  attempts: 3,
  race: "first",
  gather: ["fulfilled", "rejected"],
  completed: ["quick", "slow"],
  reports: ["Error: no"],
  persistent: "Error: no",
  services: ["start a", "start b", "stop b", "stop a"],
  ended: ["cleaned up", 78],
  left: 0,
};
