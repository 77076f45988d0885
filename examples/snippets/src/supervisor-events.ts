import { sleep } from "@scope/core";
import { Supervisor, type SupervisorEvent } from "@scope/supervisor";

// #region ready
const supervisor = new Supervisor({
  name: "app",
  strategy: "rest-for-one",
  onError: "ignore", // the events tell
  onEvent: ({ type, child }: SupervisorEvent) => console.log(type, child.name),
});

let crash = (): void => undefined;
supervisor.supervise(
  async (token, { ready }) => {
    await sleep(5, token); // connects
    ready(); // only now does "api" start
    await token.race(
      new Promise((_, reject) => {
        crash = () => reject(new Error("connection lost"));
      }),
    );
  },
  { name: "database" },
);
supervisor.supervise((token) => sleep(Infinity, token), { name: "api", stopTimeout: 1_000 });

await sleep(100);
crash();
await sleep(100);
await supervisor.stop();
// #endregion

// Output:
// started database
// ready database
// started api
// ready api
// failed database
// restarting database
// restarting api
// started database
// ready database
// started api
// ready api
// stopped api
// stopped database
