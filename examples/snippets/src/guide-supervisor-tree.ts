import { type CancellationToken, sleep } from "@scope/core";
import { Supervisor } from "@scope/supervisor";

let connections = 0;

async function connection(token: CancellationToken): Promise<void> {
  const number = ++connections;
  console.log("connection", number, "open");
  await sleep(number === 1 ? 10 : 60_000, token);
  throw new Error("connection reset");
}

// #region tree
const feed = (token: CancellationToken): Promise<void> =>
  Supervisor.run(
    (inner) => {
      inner.supervise(connection, { name: "connection" });
      inner.supervise((own) => sleep(Infinity, own), { name: "decoder" }); // knows the connection's state,
    },
    { name: "feed", strategy: "one-for-all", onError: "ignore", token }, // so they begin again together
  );

await Supervisor.run(
  async (app) => {
    app.supervise(feed, { name: "feed" });
    const web = app.supervise((own) => sleep(Infinity, own), { name: "web" });
    await sleep(100);
    console.log("web has been restarted", web.restarts, "times");
    app.cancel("deployment");
  },
  { name: "app" },
);
console.log("all stopped");
// #endregion

// Output:
// connection 1 open
// connection 2 open
// web has been restarted 0 times
// all stopped
