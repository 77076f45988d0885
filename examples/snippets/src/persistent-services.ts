import { type CancellationToken, sleep } from "@scope/core";
import { type Service, ServiceBase, ServiceGroup } from "@scope/persistent";

// #region services
class Store extends ServiceBase {
  #open!: () => void;
  readonly #opened = new Promise<void>((resolve) => (this.#open = resolve));

  protected async main(token: CancellationToken): Promise<void> {
    await sleep(5, token); // opens the file
    this.#open();
    console.log("store: open");
    await sleep(Infinity, token).finally(() => console.log("store: closed"));
  }

  ready(): Promise<void> {
    return this.#opened;
  }
}

class Clock extends ServiceBase {
  protected async main(token: CancellationToken): Promise<void> {
    this.spawn(() => console.log("clock: ticks"), { name: "tick" });
    await sleep(Infinity, token).finally(() => console.log("clock: stopped"));
  }
}

const services = new ServiceGroup([new Store({ uniqueId: "store" }), new Clock({ uniqueId: "clock" })], {
  uniqueId: "app",
  startTimeout: 5_000, // for each service
  stopTimeout: 2_000, // for each service
  onEnd: (service: Service) => (service.uniqueId === "clock" ? "restart" : "stop"),
  restartDelay: 100,
});
services.start();
await services.ready();
console.log("all ready");
await services.stop({ reason: "deploy", timeout: 3_000 }); // for all together
// #endregion

// Output:
// store: open
// clock: ticks
// all ready
// clock: stopped
// store: closed
