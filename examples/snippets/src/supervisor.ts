import { sleep } from "@scope/core";
import { Supervisor } from "@scope/supervisor";

await Supervisor.run(
  async (supervisor) => {
    let attempt = 0;
    const ticker = supervisor.supervise(
      async (token) => {
        console.log("ticker: attempt", ++attempt);
        await sleep(attempt === 1 ? 5 : 60_000, token); // the first attempt crashes
        throw new Error("clock lost");
      },
      { name: "ticker", backoff: { initial: 10, max: 5_000 } },
    );

    supervisor.spawn(() => Promise.reject(new Error("bad request")), { name: "request 1" });
    const answer = await supervisor.spawn(() => sleep(250).then(() => "hello"), { name: "request 2" });
    console.log(answer, ticker.status, ticker.restarts);
    supervisor.cancel("enough"); // a permanent child ends only when it is stopped
  },
  { name: "server", onError: ({ message, error }) => console.log(`${message}:`, String(error)) },
);

// Output:
// ticker: attempt 1
// Error in task "request 1" of Supervisor "server": Error: bad request
// Error in task "ticker" of Supervisor "server": Error: clock lost
// ticker: attempt 2
// hello running 1
