/** Loggers, exits and processes that the tests put in the place of the real ones. */
import { onTestFinished, vi } from "vitest";

/** Notes what is logged. */
export class Lines {
  readonly entries: unknown[][] = [];

  readonly logger = {
    error: (...args: unknown[]): void => {
      this.entries.push(args);
    },
  };

  get texts(): string[] {
    return this.entries.map(([text]) => String(text));
  }
}

/** Takes exit codes. */
export class Exits {
  readonly codes: number[] = [];

  readonly exit = (code: number): void => {
    this.codes.push(code);
  };
}

/** What stdout or stderr of a fake process does with a write. */
export type Reader = (written: () => void, fail: () => void) => void;

/** The real process, but for its end and its output. Its end clears the timers, too. Until `vi.unstubAllGlobals`. */
export class FakeProcess extends Exits {
  readonly events: string[] = [];

  constructor(readers: Partial<Record<"stdout" | "stderr", Reader>> = {}) {
    super();
    const output = (name: "stdout" | "stderr"): object => {
      const listeners: (() => void)[] = [];
      const flush = (written: () => void): void => {
        this.events.push(`flush ${name}`);
        const read: Reader = readers[name] ?? ((flushed) => void setTimeout(flushed));
        read(
          () => {
            this.events.push(`${name} flushed`);
            written();
          },
          () => {
            for (const listener of listeners) listener();
          },
        );
      };
      return {
        on: (_: "error", listener: () => void) => listeners.push(listener),
        off: () => {},
        write: (_: string, written: () => void) => {
          flush(written);
        },
        end: flush,
      };
    };
    const overrides = {
      stdout: output("stdout"),
      stderr: output("stderr"),
      exitCode: undefined as unknown,
      exit: (code: number) => {
        this.events.push(`exit ${code}`);
        this.exit(code);
      },
    };
    const { setTimeout, clearTimeout } = globalThis;
    vi.stubGlobal("setTimeout", (callback: () => void, ms?: number) => {
      const timer = setTimeout(callback, ms);
      onTestFinished(() => {
        clearTimeout(timer);
      });
      return timer;
    });
    vi.stubGlobal(
      "process",
      new Proxy(process, {
        get: (target, key) => {
          const value: unknown = Reflect.get(key in overrides ? overrides : target, key);
          return typeof value === "function" && !(key in overrides) ? (value.bind(target) as unknown) : value;
        },
        set: (target, key, value) => {
          if (key !== "exitCode") return Reflect.set(target, key, value);
          this.events.push(`exitCode = ${String(value)}`);
          return true;
        },
      }),
    );
  }
}
