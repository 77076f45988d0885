/**
 * Makes the program inspectable that is started with `node --import @scope/inspect/register`: observes from the start, prints the
 * tree to standard error on SIGUSR2, and serves `scope-inspect` on a socket for this user alone. It changes nothing else: not
 * when the program ends, nor how.
 */
import { writeSync } from "node:fs";
import { isMainThread } from "node:worker_threads";

import { formatTree } from "./format-tree.ts";
import { inspect, snapshot } from "./inspect.ts";
import { codeOf } from "./socket-directory.ts";
import { isServingThread, serveParent, startServing } from "./socket-thread.ts";

const REGISTERED = Symbol.for("@scope/inspect/registered");

/** How long a reader of standard error may keep the program waiting for the tree, in milliseconds. */
const MAX_STANDSTILL = 1_000;

function register(): void {
  // That a hang is told as a deadlock is what one comes for.
  const { events } = inspect({ waits: process.env["SCOPE_INSPECT_WAITS"] !== "0" });
  const warn = (why: string): void => {
    process.emitWarning(`scope-inspect cannot reach this process: ${why}`, "ScopeInspectWarning");
  };
  try {
    startServing(new URL(import.meta.url), { snapshot, events }, warn);
  } catch (error) {
    warn(String(error));
  }
  // Threads get no signals, and Windows does not have this one.
  if (isMainThread && process.platform !== "win32") {
    process.on("SIGUSR2", () => writeError(`${formatTree(snapshot())}\n`));
  }
}

/** At once, and past `process.stderr`: a reader that has gone is no error of the program's. */
function writeError(text: string): void {
  let rest = Buffer.from(text);
  const end = Date.now() + MAX_STANDSTILL;
  while (rest.length > 0 && Date.now() < end) {
    try {
      rest = rest.subarray(writeSync(2, rest));
    } catch (error) {
      if (codeOf(error) !== "EAGAIN") return;
      // The pipe is full.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

if (isServingThread()) await serveParent();
else if (!(REGISTERED in globalThis)) {
  Object.defineProperty(globalThis, REGISTERED, { value: true });
  register();
}
