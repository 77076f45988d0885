// Runs in the page before the tests: stand-ins for what they use of Node.
// The rest of the helpers use such stand-ins themselves.
import { TestRunner } from "vitest";
import { needs } from "../../packages/test-utils/src/needs.ts";

/**
 * Stands for something that a page lacks, and for all that is read of it. A test that calls it is left out; outside of
 * tests a call comes to another stand-in.
 */
function absent(name: string, offered: object = {}): unknown {
  const called = (): object => {
    if (TestRunner.getCurrentTest() !== undefined) needs(name, false);
    return absent(name) as object;
  };
  return new Proxy(function () {}, {
    get(_, key) {
      if (key in offered) return Reflect.get(offered, key) as unknown;
      // "then": awaited, it comes to itself.
      return typeof key === "symbol" || key === "then" ? undefined : absent(`${name}.${key}`);
    },
    apply: called,
    construct: called,
  });
}

type Listener = EventListenerOrEventListenerObject;

/** As `getEventListeners` of `node:events`, which is the platform's own business elsewhere. */
const listeners = new WeakMap<EventTarget, { type: string; listener: Listener }[]>();

function forget(target: EventTarget, type: string, listener: Listener | null): void {
  const known = listeners.get(target);
  const at = known?.findIndex((entry) => entry.type === type && entry.listener === listener) ?? -1;
  if (at >= 0) known?.splice(at, 1);
}

const { addEventListener, removeEventListener } = EventTarget.prototype;

EventTarget.prototype.addEventListener = function (type, listener, options) {
  if (listener !== null) {
    forget(this, type, listener);
    listeners.set(this, [...(listeners.get(this) ?? []), { type, listener }]);
    if (typeof options === "object" && options.once === true) {
      const fired = (): void => {
        forget(this, type, listener);
      };
      addEventListener.call(this, type, fired, { once: true });
    }
  }
  addEventListener.call(this, type, listener, options);
};

EventTarget.prototype.removeEventListener = function (type, listener, options) {
  forget(this, type, listener);
  removeEventListener.call(this, type, listener, options);
};

function getEventListeners(target: EventTarget, type: string): Listener[] {
  const known = listeners.get(target) ?? [];
  return known.filter((entry) => entry.type === type).map(({ listener }) => listener);
}

/** Called by what `vitest.browser.config.ts` puts in the place of imports. */
Object.assign(globalThis, {
  absentHere: (name: string) =>
    absent(name, name === "process" ? { env: {} } : name === "node:events" ? { getEventListeners } : {}),
});
