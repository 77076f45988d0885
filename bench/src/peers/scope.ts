import { CancellationSource, type CancellationToken, type TaskGroupError, TaskScope } from "@scope/core";
import { Supervisor, asCompleted, race } from "@scope/supervisor";
import { TaskGroup } from "@scope/taskgroup";
import { type Fn, type Keeper, type Owner, type Peer, fails, range, waits, wins } from "../peer.ts";

/** What `aborted` does for signals. */
function cancelled(token: CancellationToken): Promise<never> {
  return new Promise((_, reject) => {
    token.onCancel(reject);
  });
}

type AnyOwner = TaskScope | TaskGroup | Supervisor;

function spawnAll(owner: AnyOwner, fns: readonly Fn[]): void {
  for (const fn of fns) owner.spawn(fn);
}

/** What the three owners have in common. */
function owning(make: () => AnyOwner): Required<Pick<Peer, "wait" | "open" | "keeper">> {
  return {
    wait(count, tally) {
      const owner = make();
      for (let n = 0; n < count; n++) owner.spawn((token) => waits(tally, cancelled(token)));
      return {
        cancel: () => {
          owner.cancel();
        },
        ended: () => owner.join(),
      };
    },
    open(): Owner {
      const owner = make();
      return {
        async pass(fn, count) {
          for (let n = 0; n < count; n++) owner.spawn(fn);
          while (owner.size > 0) await Promise.resolve();
        },
        close: () => owner.stop(),
      };
    },
    keeper(): Keeper {
      const owner = make();
      return {
        start: (fn, signal) =>
          owner.spawn(
            signal
              ? (token) => {
                  void token.signal;
                  return fn();
                }
              : fn,
          ),
        close: () => owner.join(),
      };
    },
  };
}

const byDesign = "a failure disturbs nobody: TaskGroup is for that";

const taskGroup: Peer = {
  name: "TaskGroup",
  kind: "ours",
  lacks: { f: "see Supervisor: race", g: "see Supervisor: asCompleted" },
  ...owning(() => new TaskGroup()),
  join: (fns) =>
    TaskGroup.run((group) => {
      spawnAll(group, fns);
    }),
  limited: (fns, concurrency) =>
    TaskGroup.run(
      (group) => {
        spawnAll(group, fns);
      },
      { concurrency },
    ),
  async failFast(count, failing, error, tally) {
    try {
      await TaskGroup.run((group) => {
        for (let n = 0; n < count; n++) {
          group.spawn((token) => (n === failing ? fails(tally, error) : waits(tally, cancelled(token))));
        }
      });
    } catch (found) {
      return (found as TaskGroupError).errors[0];
    }
    return undefined;
  },
  parent() {
    const source = new CancellationSource();
    const { token } = source;
    return {
      keep(callback) {
        token.child().token.onCancel(callback);
      },
      pass(callback) {
        const child = token.child();
        child.token.onCancel(callback)();
        child[Symbol.dispose]();
      },
      cancel() {
        source.cancel();
      },
    };
  },
};

const seeGroup = "see TaskGroup";

const taskGroupMap: Peer = {
  name: "TaskGroup.map",
  kind: "ours",
  lacks: { c: seeGroup, e: seeGroup, f: seeGroup, g: seeGroup, h: seeGroup, i: seeGroup, j: seeGroup },
  join: (fns) => TaskGroup.map(fns, (fn) => fn()),
  limited: (fns, concurrency) => TaskGroup.map(fns, (fn) => fn(), { concurrency }),
};

const taskScope: Peer = {
  name: "TaskScope",
  kind: "ours",
  lacks: { e: byDesign, f: "see Supervisor: race", g: "see Supervisor: asCompleted", j: "see TaskGroup" },
  ...owning(() => new TaskScope()),
  join: (fns) =>
    TaskScope.run((scope) => {
      spawnAll(scope, fns);
    }),
  limited: (fns, concurrency) =>
    TaskScope.run(
      (scope) => {
        spawnAll(scope, fns);
      },
      { concurrency },
    ),
};

const supervisor: Peer = {
  name: "Supervisor",
  kind: "ours",
  lacks: { e: byDesign, j: "see TaskGroup" },
  ...owning(() => new Supervisor()),
  join: (fns) =>
    Supervisor.run((owner) => {
      spawnAll(owner, fns);
    }),
  limited: (fns, concurrency) =>
    Supervisor.run(
      (owner) => {
        spawnAll(owner, fns);
      },
      { concurrency },
    ),
  async race(count, winner, tally) {
    const { value } = await race(
      range(
        count,
        (index) => (token: CancellationToken) =>
          index === winner ? wins(tally) : waits(tally, cancelled(token)),
      ),
    );
    return value;
  },
  async completed(fns) {
    const values: number[] = [];
    for await (const task of asCompleted(fns)) values.push(task.result());
    return values;
  },
};

export const peers = [taskGroup, taskGroupMap, taskScope, supervisor];
