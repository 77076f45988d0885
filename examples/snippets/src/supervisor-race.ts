import { type CancellationToken, sleep } from "@scope/core";
import { race } from "@scope/supervisor";

// #region race
class Connection {
  readonly #host: string;

  constructor(host: string) {
    this.#host = host;
  }

  [Symbol.asyncDispose](): Promise<void> {
    console.log("closed:", this.#host);
    return Promise.resolve();
  }
}

async function connect(host: string, ms: number, token: CancellationToken): Promise<Connection> {
  if (host === "::1") throw new Error(`${host} refused`);
  await sleep(ms, token).catch((error: unknown) => {
    if (host !== "stubborn") throw error; // that one connects although it was asked to end
  });
  return new Connection(host);
}

const { value, index, errors } = await race(
  [
    (token) => connect("::1", 0, token), // fails: the next starts at once
    (token) => connect("stubborn", 60_000, token), // comes too late, and is closed
    (token) => connect("127.0.0.1", 5, token), // starts 10 ms after the one before
  ],
  { stagger: 10, timeout: 5_000 },
);
console.log(index, value instanceof Connection, errors.map(String));
// #endregion

// Output:
// closed: stubborn
// 2 true [ 'Error: ::1 refused' ]
