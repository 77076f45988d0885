/** Programs that are looked into. Each prints a line when it is ready, and ends when it is killed, if not before. */
import { fork } from "node:child_process";
import { createServer } from "node:net";
import { Worker, isMainThread } from "node:worker_threads";

import { type Task, TaskScope, sleep } from "@scope/core";
import { TaskGroup } from "@scope/taskgroup";

const ready = (): void => void process.stdout.write("ready\n");

/** What keeps a server's event loop alive. */
const listen = (): void => void createServer().listen(0, "127.0.0.1");

const scenarios: Readonly<Record<string, () => unknown>> = {
  "a few tasks": async () => {
    listen();
    await TaskGroup.run(
      (group) => {
        group.spawn((token) => sleep(3_600_000, token), { name: "nap" });
        group.spawn((token) => sleep(Infinity, token), { name: "serve" });
        ready();
      },
      { name: "main" },
    );
  },

  deadlock: async () => {
    listen();
    await TaskScope.run(
      (scope) => {
        const tasks: Record<string, Task<void>> = {};
        const waitFor = (name: string) => async (): Promise<void> => {
          await sleep(1);
          await tasks[name];
        };
        tasks["writer"] = scope.spawn(waitFor("reader"), { name: "writer" });
        tasks["reader"] = scope.spawn(waitFor("writer"), { name: "reader" });
        setTimeout(ready, 20);
      },
      { name: "pipeline" },
    );
  },

  "deadlock with nothing else": async () => {
    const tasks: Task<void>[] = [];
    const scope = new TaskScope({ name: "pair" });
    for (const other of [1, 0]) tasks.push(scope.spawn(async () => (await Promise.resolve(), tasks[other])));
    await scope.join();
  },

  "a loop without end": async () => {
    listen();
    const scope = new TaskScope({ name: "main" });
    scope.spawn((token) => sleep(3_600_000, token), { name: "nap" });
    ready();
    setTimeout(function spin() {
      for (;;) Math.random();
    }, 100);
    await scope.join();
  },

  "an atomic wait": async () => {
    listen();
    const scope = new TaskScope({ name: "main" });
    scope.spawn((token) => sleep(3_600_000, token), { name: "nap" });
    ready();
    setTimeout(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0), 100);
    await scope.join();
  },

  "10,000 tasks": async () => {
    listen();
    const scope = new TaskScope({ name: "crowd" });
    for (let index = 0; index < 10_000; index++) {
      scope.spawn((token) => sleep(Infinity, token), { name: `member-${index}` });
    }
    ready();
    await scope.join();
  },

  churn: async () => {
    await TaskScope.run(
      async (scope) => {
        ready();
        for (;;) {
          scope.spawn(() => undefined, { name: "good" });
          scope.spawn(() => Promise.reject(new Error("bad")), { name: "bad" });
          await sleep(5);
        }
      },
      { name: "churn", onError: "ignore" },
    );
  },

  "a worker thread and a child process": async () => {
    const child = process.argv[3] === "child";
    const what = isMainThread ? (child ? "child" : "parent") : "thread";
    const scope = new TaskScope({ name: what });
    scope.spawn((token) => sleep(3_600_000, token), { name: `nap of the ${what}` });
    if (what === "parent") {
      new Worker(new URL(import.meta.url), { argv: [process.argv[2], "thread"] });
      const forked = fork(process.argv[1]!, [process.argv[2]!, "child"]);
      process.stdout.write(`child ${forked.pid}\n`);
    }
    await scope.join();
  },

  // What becomes of a process is the same, looked into or not.
  "ends by itself": () => undefined,
  "ends with standard input": () => {
    process.stdin.resume();
    ready();
  },
  "exits with 3": () => {
    process.exitCode = 3;
  },
  throws: () => {
    setTimeout(() => {
      throw new Error("bang");
    });
  },
  "never settles": () => new Promise(() => undefined),
  "lists what keeps it alive": () => {
    setTimeout(() => {
      const mine = ["Timeout", "PipeWrap"];
      const left = process.getActiveResourcesInfo().filter((name) => !mine.includes(name));
      process.stdout.write(`${JSON.stringify(left)}\n`);
    }, 300);
  },
};

await scenarios[process.argv[2]!]!();
