import { sleep } from "@scope/core";
import { PersistentTaskGroup } from "@scope/persistent";

// #region uploads
class Uploads {
  readonly #group = new PersistentTaskGroup({ uniqueId: "uploads", retain: "failures" });

  add(file: string, ms: number): void {
    this.#group.spawn(
      async (token) => {
        await sleep(ms, token);
        if (file === "b.jpg") throw new Error("disk full");
      },
      { name: file, logError: false },
    );
  }

  /** What has gone wrong since the last call. */
  async failures(): Promise<string[]> {
    const found: string[] = [];
    for await (const task of this.#group.asCompleted({ timeout: 0 })) {
      found.push(`${task.name}: ${String(task.error)}`);
    }
    return found;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#group[Symbol.asyncDispose](); // nothing is left of it
  }
}

await using uploads = new Uploads();
uploads.add("a.jpg", 1);
uploads.add("b.jpg", 1);
uploads.add("c.jpg", 60_000);
await sleep(50);
console.log(await uploads.failures());
console.log(await uploads.failures());
// #endregion

// Output:
// [ 'PersistentTaskGroup:uploads:b.jpg: Error: disk full' ]
// []
