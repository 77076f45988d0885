import { type CancellationToken, sleep } from "@scope/core";
import { ServiceBase } from "@scope/persistent";

// #region service
class Mailer extends ServiceBase {
  protected async main(token: CancellationToken): Promise<void> {
    await sleep(Infinity, token).finally(() => console.log("mailer: connection closed"));
  }

  send(address: string): void {
    this.spawn(
      async (token) => {
        await sleep(5, token);
        if (!address.includes("@")) throw new Error(`no address: ${address}`);
        console.log("sent to", address);
      },
      { name: address, logError: false },
    );
  }

  /** Ends when for 50 ms no more mail has been dealt with. */
  async *undelivered(): AsyncGenerator<string, void, undefined> {
    for await (const task of this.taskGroup.asCompleted({ timeout: 50 })) {
      if (task.status === "failed") yield `${task.name}: ${String(task.error)}`;
    }
  }
}

const mailer = new Mailer({ uniqueId: "mailer" });
mailer.start();
mailer.send("ada@example.org");
mailer.send("nobody");
for await (const failure of mailer.undelivered()) console.log(failure);
await mailer.stop();
console.log(mailer.isRunning);
// #endregion

// Output:
// sent to ada@example.org
// Mailer:mailer:nobody: Error: no address: nobody
// mailer: connection closed
// false
