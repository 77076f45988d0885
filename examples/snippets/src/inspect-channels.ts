import { TaskScope } from "@scope/core";
// #region channels
import { subscribe } from "node:diagnostics_channel";
import { type ChannelMessages, publishToChannels } from "@scope/inspect";

const stop = publishToChannels();
subscribe("scope:task:done", (message) => {
  const { task } = message as ChannelMessages["scope:task:done"];
  console.log(task.name, task.status);
});
// #endregion
await TaskScope.run((scope) => void scope.spawn(() => 1, { name: "count" }));
stop();

// Output:
// count succeeded
