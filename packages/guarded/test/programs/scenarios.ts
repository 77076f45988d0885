/** Programs of a few lines each, which the process tests run: the argument is the name of one. */
import { sleep, type CancellationToken } from "@scope/core";
import { ExitError, SafeExitError, runMain, spawn, spawnGuarded } from "@scope/guarded";

const say = console.log;

function waits(token: CancellationToken): Promise<never> {
  return token.race(new Promise<never>(() => {}));
}

/** Something that would keep the process alive for good. */
function stray(): void {
  setInterval(() => {}, 1_000);
}

const MEGABYTE = 2 ** 20;

/** Ignores its token, and keeps the process from ending by itself. */
function ignores(): Promise<never> {
  stray();
  return new Promise(() => {});
}

/** Two lines, of which the second comes some turns later. */
async function cleansUp(who: string): Promise<void> {
  say(`${who}: cleaning up`);
  await sleep(20);
  say(`${who}: clean`);
}

const scenarios: Record<string, () => unknown> = {
  "a guarded task fails": () => {
    stray();
    process.on("exit", (code) => say(`exit ${code}`));
    const disk = new RangeError("no space left");
    spawnGuarded(() => Promise.reject(new Error("disk full", { cause: disk })), { name: "save" });
  },

  "a guarded task fails with an exit code": () => {
    stray();
    spawnGuarded(() => Promise.reject(new Error("disk full")), { exitCode: 70 });
  },

  "a guarded task ends with an ExitError": () => {
    stray();
    spawnGuarded(() => Promise.reject(new ExitError(78, "no configuration")));
  },

  "guarded tasks end well": async () => {
    spawnGuarded(() => Promise.reject(new SafeExitError("nothing to do")));
    spawnGuarded(() => "value");
    spawnGuarded(waits).cancel();
    spawnGuarded(() => say("called"), { token: AbortSignal.abort() });
    await sleep(20);
    say("still here");
  },

  "a background task fails": async () => {
    spawn(() => Promise.reject(new Error("disk full")), { name: "save" });
    await sleep(20);
    say("still here");
  },

  "a guarded task fails behind a megabyte": () => {
    stray();
    process.stdout.write("x".repeat(MEGABYTE));
    spawnGuarded(() => Promise.reject(new Error("disk full")));
  },

  "a guarded task fails with a megabyte": () => {
    stray();
    const logger = { error: (text: string) => void process.stderr.write(`${text}\n`) };
    const error = new Error("disk full");
    error.stack = "y".repeat(MEGABYTE);
    spawnGuarded(() => Promise.reject(error), { logger });
  },

  "a guarded task fails and its logger writes later": () => {
    stray();
    const logger = {
      error: (text: string) => void setImmediate(() => process.stderr.write(`later: ${text}\n`)),
    };
    spawnGuarded(() => Promise.reject(new ExitError(1, "disk full")), { logger });
  },

  "a guarded task fails when a line is read": () => {
    process.stdin.once("data", () => {
      spawnGuarded(() => Promise.reject(new Error("disk full")), { exitCode: 9 });
    });
    say("ready");
  },

  "a guarded task fails under main when a line is read": () =>
    runMain(
      async (token) => {
        process.stdin.once("data", () => {
          spawnGuarded(() => Promise.reject(new Error("disk full")), { exitCode: 9 });
        });
        say("ready");
        await waits(token).finally(() => cleansUp("main"));
      },
      { graceMs: 20_000 },
    ),

  "main returns": async () => {
    const listeners = (): string =>
      ["SIGINT", "SIGTERM", "uncaughtException", "unhandledRejection"]
        .map((event) => process.listenerCount(event))
        .join();
    const before = listeners();
    await runMain(async () => {
      spawn((token) => waits(token).finally(() => cleansUp("task")));
      await sleep(1);
      say("main");
    });
    say(listeners() === before ? "no listener is left" : listeners());
    setTimeout(() => say("the process ends by itself"), 20);
  },

  "main returns with an exit code set": () =>
    runMain(() => {
      process.exitCode = 4;
    }),

  "main fails": async () => {
    stray();
    await runMain(async () => {
      spawn((token) => waits(token).finally(() => cleansUp("task")));
      await sleep(1);
      throw new Error("no route");
    });
    say("not reached");
  },

  "main ends with an ExitError from below": () => {
    stray();
    return runMain(async (token) => {
      const inner = spawn(
        (own) =>
          own.race(Promise.reject(new ExitError(3, "no configuration"))).finally(() => cleansUp("below")),
        { name: "below" },
      );
      await token.race(inner).finally(() => cleansUp("main"));
    });
  },

  "main ends with a SafeExitError": () => runMain(() => Promise.reject(new SafeExitError("done"))),

  "main waits for a signal": () =>
    runMain(async (token) => {
      spawn((own) => waits(own).finally(() => cleansUp("task")));
      say("ready");
      await sleep(Infinity, token).finally(() => cleansUp("main"));
    }),

  "main returns after a signal": () =>
    runMain(async (token) => {
      say("ready");
      await sleep(Infinity, token).catch(() => say("main: returns"));
    }),

  "main throws an ExitError after a signal": () =>
    runMain(async (token) => {
      say("ready");
      await sleep(Infinity, token).catch(() => {
        throw new ExitError(75, "try again");
      });
    }),

  "a promise floats when a signal comes": () =>
    runMain(async (token) => {
      void sleep(Infinity, token);
      say("ready");
      await sleep(Infinity, token);
    }),

  "main cleans up for ever": () =>
    runMain(async (token) => {
      spawn(ignores, { name: "deaf" });
      say("ready");
      await waits(token).finally(() => {
        say("main: cleaning up");
        return ignores();
      });
    }),

  "a task cleans up for ever after main": () =>
    runMain(() => {
      spawn(
        (token) =>
          waits(token).finally(() => {
            say("ready");
            return ignores();
          }),
        { name: "deaf" },
      );
    }),

  "nothing is ready for its signal": () => {
    stray();
    say("ready");
  },

  "main ignores everything": () =>
    runMain(
      () => {
        spawn(ignores, { name: "deaf" });
        say("ready");
        return ignores();
      },
      { graceMs: 50 },
    ),

  "a guarded task fails under main": () => {
    stray();
    return runMain(async (token) => {
      spawn((own) => waits(own).finally(() => cleansUp("task")));
      spawnGuarded(
        async () => {
          await sleep(1);
          throw new Error("disk full");
        },
        { name: "save", exitCode: 5 },
      );
      await waits(token).finally(() => cleansUp("main"));
    });
  },

  "a guarded task fails under main, behind a megabyte": () => {
    stray();
    return runMain(() => {
      process.stdout.write("x".repeat(MEGABYTE));
      spawnGuarded(() => Promise.reject(new Error("disk full")));
    });
  },

  "something throws elsewhere": () =>
    runMain(async (token) => {
      setTimeout(() => {
        throw new Error("stray");
      });
      await waits(token).finally(() => cleansUp("main"));
    }),

  "something rejects elsewhere": () =>
    runMain(async (token) => {
      void Promise.reject(new Error("stray"));
      await waits(token).finally(() => cleansUp("main"));
    }),

  "something throws elsewhere, which is not main's business": () =>
    runMain(
      async (token) => {
        setTimeout(() => {
          throw new Error("stray");
        });
        await waits(token).finally(() => cleansUp("main"));
      },
      { uncaught: false },
    ),
};

await scenarios[process.argv[2] ?? ""]?.();
