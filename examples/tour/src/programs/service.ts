/** A service with work in the background, as `runMain` and `spawnGuarded` have it. It tells its parent what happens. */
import { TaskScope, sleep } from "@scope/core";
import { runMain, spawnGuarded } from "@scope/guarded";

import { watch } from "../happenings.ts";
import { Shop, beat } from "./shop.ts";

const [, , directory = ""] = process.argv;

process.once("disconnect", () => process.exit());
watch((happening) => process.send?.(happening));

await runMain((token) =>
  TaskScope.run(
    (scope) => {
      scope.spawn(
        async (own) => {
          const shop = await Shop.open(directory);
          try {
            spawnGuarded(() => shop.relay(), { name: "relay" });
            spawnGuarded(
              async (background) => {
                for (;;) {
                  shop.note("alive");
                  await sleep(beat, background);
                }
              },
              { name: "journal" },
            );
            await sleep(Infinity, own);
          } finally {
            await shop.close();
          }
        },
        { name: "serve" },
      );
    },
    { name: "main", token },
  ),
);
