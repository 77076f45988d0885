import { once } from "node:events";
import { createServer } from "node:net";
import { setTaskErrorHandler } from "@scope/core";
import { spawn } from "@scope/guarded";
import { expect, test, vi } from "vitest";

test("puts everything back, though some of it takes a moment", async () => {
  setTimeout(() => {}, 50);
  const server = createServer().listen(0);
  await once(server, "listening");
  server.close();
  const ignore = (): void => {};
  process.once("SIGUSR2", ignore).off("SIGUSR2", ignore);
  const controller = new AbortController();
  controller.signal.addEventListener("abort", ignore);
  controller.abort();
  new AbortController().signal.addEventListener("abort", ignore);
  setTaskErrorHandler(setTaskErrorHandler(ignore));
  expect(await spawn(() => "done")).toBe("done");
  vi.useFakeTimers();
  clearTimeout(setTimeout(ignore, 1));
});
