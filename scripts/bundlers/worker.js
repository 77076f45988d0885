import { program } from "./program.js";

program().then(
  (outcome) => globalThis.postMessage({ outcome }),
  (error) => globalThis.postMessage({ error: String(error?.stack ?? error) }),
);
