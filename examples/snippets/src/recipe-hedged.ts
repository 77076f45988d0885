import { type CancellationToken, sleep } from "@scope/core";
import { race } from "@scope/supervisor";

const speed: Record<string, number> = { "db-1": 60_000, "db-2": 5, "db-3": 5 };

// #region hedged
async function query(host: string, token: CancellationToken): Promise<string> {
  console.log("ask", host);
  await sleep(speed[host] ?? 0, token).catch((error: unknown) => {
    console.log("cancel", host);
    throw error;
  });
  return `answer of ${host}`;
}

const { value } = await race(
  ["db-1", "db-2", "db-3"].map((host) => (token: CancellationToken) => query(host, token)),
  { stagger: 20, continueOnError: true, timeout: 5_000 },
);
console.log(value); // by now the query of db-1 has ended as well, and db-3 was never asked
// #endregion

// Output:
// ask db-1
// ask db-2
// cancel db-1
// answer of db-2
