import { type CancellationToken, backgroundSpawner, sleep } from "@scope/core";
import { effectScope, nextTick, ref, watchEffect } from "vue";

async function fetchUser(id: number, token: CancellationToken): Promise<string> {
  await sleep(id === 1 ? 60_000 : 5, token).catch((error: unknown) => {
    console.log(`request for ${id}: cancelled`);
    throw error;
  });
  return `user ${id}`;
}

const component = effectScope(); // what a component's setup runs in
const id = ref(1);
const name = ref("");

component.run(() => {
  // #region effect
  watchEffect((onCleanup) => {
    const current = id.value; // read before the first await, so that Vue sees it
    const task = backgroundSpawner.spawn(
      async (token) => {
        name.value = await fetchUser(current, token);
      },
      { name: `fetch user ${current}` },
    );
    onCleanup(() => task.cancel("another one is wanted"));
  });
  // #endregion
});

id.value = 2;
await nextTick();
await sleep(50);
console.log(name.value);
component.stop();

// Output:
// request for 1: cancelled
// user 2
