import { CancellationSource, TaskScope, sleep } from "@scope/core";

const source = new CancellationSource();
const { token } = source;

// #region shield
async function saveAll(): Promise<void> {
  await TaskScope.run(
    async (scope) => {
      await sleep(20, scope.token); // the transaction: not interrupted by `token`,
      console.log("saved");
    },
    { token, shield: true, timeout: 5_000 }, // but it does not get for ever either
  );
}
// #endregion

setTimeout(() => source.cancel("Ctrl-C"), 5);
await saveAll().catch((error: unknown) => console.log(String(error)));

// Output:
// saved
// AbortError: Ctrl-C
