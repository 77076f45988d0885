// A child that is restarted, with back-off (Supervisor)
import { sleep } from "@scope/core";
import { Supervisor } from "@scope/supervisor";

let attempts = 0;

await Supervisor.run(
  async (supervisor) => {
    supervisor.supervise(
      async (own) => {
        console.log("connection: attempt", ++attempts);
        await sleep(attempts < 3 ? 150 : 60_000, own);
        throw new Error("connection reset");
      },
      { name: "connection", backoff: { initial: 100, max: 1_000, jitter: 0 } },
    );
    supervisor.supervise((own) => sleep(Infinity, own), { name: "web" });
    await sleep(1_200, supervisor.token);
    supervisor.cancel("enough seen");
  },
  { name: "app", token, onError: "ignore" },
);
console.log("all stopped");

// Output:
// connection: attempt 1
// connection: attempt 2
// connection: attempt 3
// all stopped
