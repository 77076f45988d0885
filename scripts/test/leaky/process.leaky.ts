import { createServer } from "node:net";
import { setTaskErrorHandler } from "@scope/core";
import { spawn } from "@scope/guarded";
import { test } from "vitest";

const { signal } = new AbortController();

test("leaves a timer, a server, listeners, functions, a handler and a task", () => {
  setInterval(() => {}, 60_000);
  createServer().listen(0);
  process.on("SIGUSR2", () => {});
  process.on("leaky" as never, () => {});
  signal.addEventListener("abort", () => {});
  console.warn = () => {};
  performance.now = () => 0;
  setTaskErrorHandler(() => {});
  spawn(() => new Promise(() => {}), { name: "endless" });
});

// Reachable as long as the file is.
export const listened = signal;
