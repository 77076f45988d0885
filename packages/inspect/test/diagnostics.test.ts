/** What is published on the channels of `node:diagnostics_channel`. */
import diagnostics from "node:diagnostics_channel";
import { TaskScope } from "@scope/core";
import { type ChannelMessages, publishToChannels } from "@scope/inspect";
import { waits } from "@scope/test-utils";
import { describe, expect, it, onTestFinished, vi } from "vitest";

function subscribe<Name extends keyof ChannelMessages>(name: Name): ChannelMessages[Name][] {
  const messages: ChannelMessages[Name][] = [];
  const onMessage = (message: unknown): void => void messages.push(message as ChannelMessages[Name]);
  diagnostics.subscribe(name, onMessage);
  onTestFinished(() => void diagnostics.unsubscribe(name, onMessage));
  return messages;
}

describe(publishToChannels, () => {
  it("publishes what happens to those who subscribe", async () => {
    onTestFinished(publishToChannels());
    const opened = subscribe("scope:scope:opened");
    const closed = subscribe("scope:scope:closed");
    const spawned = subscribe("scope:task:spawned");
    const started = subscribe("scope:task:started");
    const done = subscribe("scope:task:done");
    const asked = subscribe("scope:cancel:requested");
    const scope = new TaskScope();
    const task = scope.spawn(waits);
    task.cancel("enough");
    await scope.join();
    expect(opened).toEqual([{ scope, parent: undefined }]);
    expect(spawned).toEqual([{ task, scope, restarts: undefined }]);
    expect([started, done]).toEqual([[{ task }], [{ task }]]);
    expect(asked).toEqual([{ owner: task, reason: "enough", source: "explicit" }]);
    expect(closed).toEqual([{ scope }]);
  });

  it("publishes nothing to a channel that nobody subscribes to, nor after its end", async () => {
    const publish = vi.spyOn(diagnostics.channel("scope:task:done"), "publish");
    const end = publishToChannels();
    await TaskScope.run((scope) => void scope.spawn(() => 1));
    expect(publish).not.toHaveBeenCalled();
    end();
    const done = subscribe("scope:task:done");
    await TaskScope.run((scope) => void scope.spawn(() => 1));
    expect(done).toEqual([]);
  });

  it("does nothing where there are no such channels", () => {
    const ask = vi.spyOn(process, "getBuiltinModule").mockImplementation(() => {
      throw new Error("none");
    });
    onTestFinished(() => ask.mockRestore());
    expect(publishToChannels()()).toBeUndefined();
  });
});
