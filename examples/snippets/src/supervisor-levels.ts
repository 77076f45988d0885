import { sleep } from "@scope/core";
import { RestartLimitError, Supervisor } from "@scope/supervisor";

// #region levels
let attempts = 0;
const broken = async (): Promise<never> => {
  attempts++;
  await sleep(1);
  throw new Error("no configuration");
};

const app = Supervisor.run(
  (top) => {
    top.supervise(
      (token) =>
        Supervisor.run((group) => void group.supervise(broken, { name: "worker" }), {
          name: "group",
          maxRestarts: 2,
          onError: "ignore",
          token, // the tie between the two
        }),
      { name: "group" },
    );
  },
  { name: "top", maxRestarts: 1, onError: "ignore" },
);
await app.catch((error: unknown) => {
  if (!(error instanceof RestartLimitError)) throw error;
  console.log(error.message);
  console.log("caused by", String((error.cause as Error).cause));
});
console.log(attempts, "attempts: (1 + 2) * (1 + 1)");
// #endregion

// Output:
// Supervisor "top" gave up: more than 1 restarts within 5000 ms, last of child "group"
// caused by Error: no configuration
// 6 attempts: (1 + 2) * (1 + 1)
