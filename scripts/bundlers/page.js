import { program } from "./program.js";

const worker = new globalThis.Worker("/worker.js", { type: "module" });
const answer = new Promise((resolve, reject) => {
  worker.addEventListener("message", ({ data }) => {
    if (data.error === undefined) resolve(data.outcome);
    else reject(new Error(data.error));
  });
  worker.addEventListener("error", ({ message }) => reject(new Error(`the worker: ${message}`)));
});

/** The check waits for it. */
globalThis.outcomes = Promise.all([program(), answer]);
