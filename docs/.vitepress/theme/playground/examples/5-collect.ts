// Outcomes that wait until somebody looks (PersistentTaskGroup)
import { sleep } from "@scope/core";
import { PersistentTaskGroup } from "@scope/persistent";

await PersistentTaskGroup.run(
  async (group) => {
    const probe = (name: string, ms: number): void => {
      group.spawn(
        async (own) => {
          await sleep(ms, own);
          if (name === "db") throw new Error("no route");
        },
        { name, logError: false },
      );
    };
    probe("web", 500);
    probe("db", 250);
    probe("mail", 750);
    for await (const task of group.asCompleted()) {
      console.log(task.name, task.status);
    }
  },
  { uniqueId: "probes", token },
);

// Output:
// PersistentTaskGroup:probes:db failed
// PersistentTaskGroup:probes:web succeeded
// PersistentTaskGroup:probes:mail succeeded
