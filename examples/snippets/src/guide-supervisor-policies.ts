import { type CancellationToken, sleep } from "@scope/core";
import { Supervisor } from "@scope/supervisor";

const fails = async (token: CancellationToken): Promise<void> => {
  await sleep(5, token);
  throw new Error("lost");
};

// #region policies
await Supervisor.run(
  async (supervisor) => {
    const children = [
      supervisor.supervise(fails, { name: "listener", restart: "permanent", backoff: { initial: 60_000 } }),
      supervisor.supervise(() => sleep(5), { name: "migration", restart: "transient" }),
      supervisor.supervise(fails, { name: "report", restart: "temporary" }),
    ];
    await sleep(50);
    for (const { name, status } of children) console.log(name, status);
    supervisor.cancel();
  },
  { onError: "ignore" },
);
// #endregion

// Output:
// listener backing-off
// migration stopped
// report failed
