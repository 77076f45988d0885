/**
 * What users hand in, at its worst. Every value has a label, so that a case is data: it prints, shrinks and can be made again.
 *
 * Labels may be nested: "a function that returns a thenable that throws".
 */
import vm from "node:vm";
import {
  CancellationSource,
  CancellationToken,
  CancelledError,
  FatalError,
  TaskGroupError,
  TaskScope,
  TimeoutError,
  backgroundSpawner,
  sleep,
} from "@scope/core";
import { ExitError, SafeExitError } from "@scope/guarded";

/** What the values need of the world that they are made in. */
export interface Hands {
  /** Code of the user's runs: whatever may happen, happens. */
  called(): void;
  /** Something that would wait for ever: called when everything has to end. */
  pending(settle: () => void): void;
  /** Something of the user's that has to be put away in the end. */
  dispose(undo: () => void): void;
  /** An error that a user's code throws on purpose, and that nobody has to report. */
  own<E>(error: E): E;
  /** How many listeners there are on signals of the user's. */
  listening(change: number): void;
  /** A rejection that is the user's own to handle. */
  stray(error: unknown): void;
}

type Make = (hands: Hands) => unknown;

const LONG = "long ".repeat(200_000);

/** An `AbortSignal` as another realm has it: nothing of it is an instance of anything here. */
const otherRealm = vm.createContext({});
const foreign = vm.runInContext(
  `(class {
    constructor() { this.aborted = false; this.reason = undefined; this.listeners = new Set(); }
    addEventListener(type, listener) { this.listeners.add(listener); this.changed?.(1); }
    removeEventListener(type, listener) { if (this.listeners.delete(listener)) this.changed?.(-1); }
    abort(reason) {
      if (this.aborted) return;
      this.aborted = true;
      this.reason = reason;
      for (const listener of [...this.listeners]) listener.handleEvent ? listener.handleEvent({}) : listener({});
    }
  })`,
  otherRealm,
) as new () => { aborted: boolean; changed?: (by: number) => void; abort(reason?: unknown): void };

function fail(hands: Hands, what: string): never {
  throw hands.own(new Error(what));
}

function getter<T extends object>(hands: Hands, object: T, ...names: (string | symbol)[]): T {
  for (const name of names) {
    Object.defineProperty(object, name, {
      configurable: true,
      get: () => fail(hands, `unreadable ${String(name)}`),
    });
  }
  return object;
}

/** A proxy whose every trap throws. */
function trapped(hands: Hands, target: object): object {
  const handler: Record<string, () => never> = {};
  for (const trap of Object.getOwnPropertyNames(Reflect)) handler[trap] = () => fail(hands, `trap ${trap}`);
  return new Proxy(target, handler);
}

function revoked(target: object): object {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

/** A signal of the platform's that counts its listeners. */
function counted(hands: Hands, signal: AbortSignal): AbortSignal {
  const { addEventListener, removeEventListener } = signal;
  const listeners = new Set<unknown>();
  const count = (): void => {
    hands.listening(listeners.size - told);
    told = listeners.size;
  };
  let told = 0;
  return Object.assign(signal, {
    addEventListener(...args: Parameters<typeof addEventListener>) {
      listeners.add(args[1]);
      count();
      addEventListener.apply(signal, args);
    },
    removeEventListener(...args: Parameters<typeof removeEventListener>) {
      listeners.delete(args[1]);
      count();
      removeEventListener.apply(signal, args);
    },
  });
}

/** Aborts in the middle of things: when the world calls for it. */
function abortable(hands: Hands): AbortSignal {
  const controller = new AbortController();
  later(hands, () => {
    controller.abort();
  });
  return counted(hands, controller.signal);
}

const actions = new WeakMap<Hands, (() => void)[]>();

/** Something that may happen while everything runs, if the case says so; otherwise never. */
function later(hands: Hands, act: () => void): void {
  const list = actions.get(hands) ?? [];
  actions.set(hands, list);
  list.push(act);
}

/** Has the next thing that may happen happen. */
export function next(hands: Hands): void {
  actions.get(hands)?.shift()?.();
}

const primitives: Record<string, Make> = {
  undefined: () => undefined,
  null: () => null,
  true: () => true,
  false: () => false,
  "an empty text": () => "",
  "a text": () => "text",
  "a long text": () => LONG,
  "control characters": () => "\0\u001b[2J\r\n\t\u202e",
  "a lone surrogate": () => "\ud800x\udc00",
  0: () => 0,
  "-0": () => -0,
  1: () => 1,
  2: () => 2,
  0.5: () => 0.5,
  "-1": () => -1,
  NaN: () => NaN,
  Infinity: () => Infinity,
  "-Infinity": () => -Infinity,
  "2 ** 31": () => 2 ** 31,
  1e10: () => 1e10,
  1e300: () => 1e300,
  "1n": () => 1n,
  "a symbol": () => Symbol("symbol"),
};

const objects: Record<string, Make> = {
  "an object": () => ({}),
  "a frozen object": () => Object.freeze({}),
  "a sealed object": () => Object.seal({}),
  "an object without prototype": () => Object.create(null) as unknown,
  "an array": () => [],
  "an array of junk": () => [undefined, 1, "x", {}],
  "a date": () => new Date(0),
  "a boxed number": () => Object(5) as unknown,
  "a boxed text": () => Object("text") as unknown,
  "an object with an unreadable toString": (hands) => getter(hands, {}, "toString", "valueOf"),
  "an object with an unreadable toStringTag": (hands) => getter(hands, {}, Symbol.toStringTag),
  "a proxy whose traps throw": (hands) => trapped(hands, {}),
  "a function whose traps throw": (hands) => trapped(hands, () => undefined),
  "a revoked proxy": () => revoked({}),
  "a revoked function": () => revoked(() => undefined),
  "a class": () => Map,
  "an object that calls itself a task": () =>
    Object.assign(Object.create(null) as object, { [Symbol.for("@scope/Task")]: false, done: true }),
};

/** What may be thrown. None but the first is an error that its owner can do with as it likes. */
const errors: Record<string, Make> = {
  "an error": () => new Error("plain"),
  "a frozen error": () => Object.freeze(new Error("frozen")),
  "an error with an unreadable message": (hands) => getter(hands, new Error(), "message"),
  "an error with an unreadable name, stack and cause": (hands) =>
    getter(hands, new Error(), "stack", "name", "cause"),
  "an error with an unreadable toString": (hands) => getter(hands, new Error(), "toString"),
  "an error without prototype": () => Object.setPrototypeOf(new Error(), null) as unknown,
  "an error of another realm": () => vm.runInContext("new Error('foreign')", otherRealm) as unknown,
  "a CancelledError": () => new CancelledError("foreign"),
  "a CancelledError that cannot be read": (hands) =>
    getter(hands, new CancelledError("x"), "message", "name", "reason", "source", "toString"),
  "a platform's AbortError": () => new DOMException("aborted", "AbortError"),
  "a TimeoutError": () => new TimeoutError(1),
  "a FatalError": () => new FatalError("fatal"),
  "a FatalError that cannot be read": (hands) => getter(hands, new FatalError(), "stack", "message", "name"),
  "a SafeExitError": () => new SafeExitError(),
  "an ExitError": () => new ExitError(3, "exit"),
  "a TaskGroupError": () => new TaskGroupError([new Error("member")]),
  "a TaskGroupError without members": () => Object.assign(new TaskGroupError([]), { errors: 5 }),
};

/** Promises and what looks like one, for whoever awaits it. */
const thenables: Record<string, Make> = {
  "a promise": () => Promise.resolve(1),
  "a promise of later": (hands) =>
    new Promise((resolve) => {
      later(hands, () => resolve(1));
      hands.pending(() => resolve(1));
    }),
  "a promise that never settles": (hands) => new Promise<void>((resolve) => hands.pending(resolve)),
  "a promise resolved with itself": () => {
    let resolve!: (value: unknown) => void;
    const promise = new Promise((done) => (resolve = done));
    resolve(promise);
    promise.catch(() => undefined);
    return promise;
  },
  "a promise with an unreadable then": (hands) => getter(hands, Promise.resolve(1), "then"),
  "a promise whose then throws": (hands) =>
    Object.assign(Promise.resolve(1), { then: () => fail(hands, "then") }),
  "a promise with an unreadable constructor": (hands) => getter(hands, Promise.resolve(1), "constructor"),
  "a promise whose constructor changes": (hands) => {
    let reads = 0;
    return Object.defineProperty(Promise.resolve(1), "constructor", {
      get: () => (reads++ === 0 ? Promise : fail(hands, "constructor")),
    });
  },
  "a promise of a bad species": (hands) => {
    class Odd<T> extends Promise<T> {
      static override get [Symbol.species](): PromiseConstructor {
        return fail(hands, "species");
      }
    }
    return Odd.resolve(1);
  },
  "a proxy of a promise": () => new Proxy(Promise.resolve(1), {}),
  "a thenable with an unreadable then": (hands) => getter(hands, {}, "then"),
  "a thenable that throws": (hands) => ({ then: () => fail(hands, "then") }),
  "a thenable that throws after it has resolved": (hands) => ({
    then(resolve: (value: unknown) => void) {
      resolve(1);
      fail(hands, "after resolve");
    },
  }),
  "a thenable that resolves at once": () => ({
    then(resolve: (value: unknown) => void) {
      resolve(1);
    },
  }),
  "a thenable that resolves twice": (hands) => ({
    then(resolve: (value: unknown) => void) {
      resolve(1);
      resolve(2);
      hands.called();
    },
  }),
  "a thenable that resolves and rejects": (hands) => ({
    then(resolve: (value: unknown) => void, reject: (error: unknown) => void) {
      resolve(1);
      reject(hands.own(new Error("too late")));
    },
  }),
  "a thenable that rejects and resolves": (hands) => ({
    then(resolve: (value: unknown) => void, reject: (error: unknown) => void) {
      reject(hands.own(new Error("first")));
      resolve(1);
    },
  }),
  // For ever it would keep any `await` busy, without a single turn of the event loop.
  "a thenable that resolves with itself": () => {
    let times = 0;
    const thenable = {
      then(resolve: (value: unknown) => void) {
        resolve(times++ < 5 ? thenable : 1);
      },
    };
    return thenable;
  },
  "a thenable that never settles": (hands) => ({
    then(resolve: () => void) {
      hands.pending(resolve);
    },
  }),
  "a thenable whose then is no function at the second look": () => {
    let looks = 0;
    return {
      get then() {
        return looks++ === 0 ? (resolve: (value: unknown) => void) => resolve(1) : 5;
      },
    };
  },
  "a function that is a thenable": () =>
    Object.assign(() => undefined, {
      then(resolve: (value: unknown) => void) {
        resolve(1);
      },
    }),
  "a task": () => backgroundSpawner.spawn(() => 1),
  "a disposable": (hands) => ({
    [Symbol.asyncDispose]: () => {
      hands.called();
      return Promise.resolve();
    },
  }),
  "a disposable that cannot be disposed of": () => ({ [Symbol.dispose]: 5 }),
};

/** What can be followed. */
const tokens: Record<string, Make> = {
  "a token": (hands) => {
    const source = new CancellationSource();
    hands.dispose(() => source[Symbol.dispose]());
    later(hands, () => source.cancel("later"));
    return source.token;
  },
  "a token whose cancellation cannot be read": (hands) => {
    const source = new CancellationSource();
    later(hands, () => source.cancel(errors["a CancelledError that cannot be read"]!(hands)));
    return source.token;
  },
  "a cancelled token": () => {
    const source = new CancellationSource();
    source.cancel("before");
    return source.token;
  },
  "the token that is never cancelled": () => CancellationToken.none,
  "a token's signal": () => new CancellationSource().token.signal,
  "a signal": abortable,
  "a signal that is aborted": (hands) => counted(hands, AbortSignal.abort("before")),
  "a signal with a reason that cannot be read": (hands) => {
    const controller = new AbortController();
    later(hands, () => controller.abort(errors["an error with an unreadable message"]!(hands)));
    return counted(hands, controller.signal);
  },
  "a signal of signals": (hands) => counted(hands, AbortSignal.any([abortable(hands)])),
  "a signal of another class": (hands) =>
    Object.setPrototypeOf(abortable(hands), class Odd extends AbortSignal {}.prototype) as unknown,
  "a signal of another realm": (hands) => {
    const signal = new foreign();
    signal.changed = hands.listening.bind(hands);
    later(hands, () => signal.abort("foreign"));
    return signal;
  },
  "an aborted signal of another realm": () => {
    const signal = new foreign();
    signal.abort("foreign");
    return signal;
  },
  "an event target that may be aborted": () => Object.assign(new EventTarget(), { aborted: false }),
  "a signal that keeps its listeners": () => ({ aborted: false, addEventListener: () => undefined }),
  "a signal that does not let go": (hands) => ({
    aborted: false,
    addEventListener: () => undefined,
    removeEventListener: () => fail(hands, "removeEventListener"),
  }),
  "a signal that cannot be removed from, aborted": (hands) => ({
    aborted: true,
    reason: "before",
    addEventListener: () => undefined,
    removeEventListener: () => fail(hands, "removeEventListener"),
  }),
};

/** Looks like a token, and is none in the end. */
const impostors: Record<string, Make> = {
  "a signal that cannot be listened to": (hands) => ({
    aborted: false,
    addEventListener: () => fail(hands, "addEventListener"),
    removeEventListener: () => undefined,
  }),
  "a signal that cannot be asked": (hands) => getter(hands, abortable(hands), "aborted"),
  "a proxy of a signal": () => new Proxy(new AbortController().signal, {}),
};

type Steps = () => { next(): unknown; return?: () => unknown };

function iterable(symbol: symbol, open: Steps): object {
  return { [symbol]: open };
}

/** Things to iterate, over items that the case chooses. */
const iterables: Record<string, (hands: Hands, item: () => unknown) => unknown> = {
  "an array of": (_, item) => [item(), item(), item()],
  "a set of": (_, item) => new Set([item(), item()]),
  "nothing of": () => [],
  "a generator of": (hands, item) =>
    (function* () {
      for (let count = 0; count < 3; count++) {
        hands.called();
        yield item();
      }
    })(),
  "an async generator of": (hands, item) =>
    (async function* () {
      for (let count = 0; count < 3; count++) {
        hands.called();
        await Promise.resolve();
        yield item();
      }
    })(),
  "an iterable that says so too late of": (hands, item) => {
    let count = 0;
    return iterable(Symbol.iterator, () => ({
      next() {
        hands.called();
        return { done: count++ > 20, value: item() };
      },
      return() {
        hands.called();
        return {};
      },
    }));
  },
  "an async iterable that is slow of": (hands, item) => {
    let count = 0;
    return iterable(Symbol.asyncIterator, () => ({
      next: () =>
        new Promise((resolve) => {
          const answer = (): void => resolve({ done: count++ > 2, value: item() });
          later(hands, answer);
          hands.pending(answer);
        }),
      return() {
        hands.called();
        return Promise.resolve({});
      },
    }));
  },
};

/** Things that lie about being iterable; each says when. */
const liars: Record<string, (hands: Hands, item: () => unknown) => unknown> = {
  "an unreadable iterator of": (hands) => getter(hands, {}, Symbol.iterator),
  "an unreadable async iterator of": (hands) => getter(hands, {}, Symbol.asyncIterator),
  "an iterator that is a number of": () => ({ [Symbol.iterator]: 5 }),
  "an async iterator that is a number of": () => ({ [Symbol.asyncIterator]: 5 }),
  "no iterator of": () => ({ [Symbol.iterator]: () => 5 }),
  "an iterator without next of": () => ({ [Symbol.iterator]: () => ({}) }),
  "an iterator that throws when opened of": (hands) => iterable(Symbol.iterator, () => fail(hands, "open")),
  "an iterator whose steps are numbers of": () => iterable(Symbol.iterator, () => ({ next: () => 5 })),
  "an iterator that throws of": (hands) =>
    iterable(Symbol.iterator, () => ({ next: () => fail(hands, "next"), return: () => ({}) })),
  "an iterator that throws nothing of": (hands) =>
    iterable(Symbol.iterator, () => ({
      next() {
        throw hands.own(undefined);
      },
    })),
  "an iterator that throws null of": (hands) =>
    iterable(Symbol.asyncIterator, () => ({
      next() {
        throw hands.own(null);
      },
    })),
  "an iterator with an unreadable done of": (hands) =>
    iterable(Symbol.iterator, () => ({ next: () => getter(hands, {}, "done") })),
  "an iterator with an unreadable value of": (hands) =>
    iterable(Symbol.iterator, () => ({
      next: () => getter(hands, { done: false }, "value"),
      return: () => ({}),
    })),
  "an iterator that throws when it is returned of": (hands, item) =>
    iterable(Symbol.iterator, () => {
      let count = 0;
      return {
        next: () => ({ done: count++ > 5, value: item() }),
        return: () => fail(hands, "return"),
      };
    }),
  "an async iterator that rejects of": (hands) =>
    iterable(Symbol.asyncIterator, () => ({ next: () => Promise.reject(hands.own(new Error("next"))) })),
  "an async iterator whose steps are numbers of": () =>
    iterable(Symbol.asyncIterator, () => ({ next: () => Promise.resolve(5) })),
  "an async iterator of thenables that throw of": (hands) =>
    iterable(Symbol.asyncIterator, () => ({ next: () => ({ then: () => fail(hands, "step") }) })),
  "an async iterator that cannot be returned of": (hands, item) =>
    iterable(Symbol.asyncIterator, () => {
      let count = 0;
      return {
        next: () => Promise.resolve({ done: count++ > 5, value: item() }),
        return: () => Promise.reject(hands.own(new Error("return"))),
      };
    }),
};

const plain: Record<string, Make> = {
  ...primitives,
  ...objects,
  ...errors,
  ...thenables,
  ...tokens,
  ...impostors,
};

export const labels = {
  primitives: Object.keys(primitives),
  objects: Object.keys(objects),
  errors: [...Object.keys(errors), "undefined", "null", "a text", "a symbol", "a revoked proxy", "a class"],
  thenables: Object.keys(thenables),
  tokens: Object.keys(tokens),
  impostors: Object.keys(impostors),
  iterables: Object.keys(iterables),
  liars: Object.keys(liars),
  all: Object.keys(plain),
};

/** Whether something in the value is a user's code that throws, or breaks a protocol of the language. */
export function lies(label: string): boolean {
  return /unreadable|cannot|traps throw|revoked|throws|rejects|number|no iterator|without next|proxy of|bad species|constructor|thenables that|itself|a class|spawner/.test(
    label,
  );
}

/** Makes a value that is no function and no iterable. */
export function makePlain(label: string, hands: Hands): unknown {
  const make = plain[label];
  if (make === undefined) throw new Error(`No value is called "${label}"`);
  return make(hands);
}

/** "an array of": makes it, of items that are made one by one. */
export function makeIterable(label: string, hands: Hands, item: () => unknown): unknown {
  const make = iterables[label] ?? liars[label];
  if (make === undefined) throw new Error(`Nothing to iterate is called "${label}"`);
  return make(hands, item);
}

/** How an object with properties is made. */
export const shapes = [
  "plain",
  "frozen",
  "sealed",
  "without prototype",
  "inherited",
  "of getters",
  "of getters that throw",
  "of getters that throw at the second look",
  "revoked",
] as const;

export type Shape = (typeof shapes)[number];

/** An object with these properties, as somebody might hand it in. */
export function makeObject(shape: Shape, properties: Record<string, unknown>, hands: Hands): object {
  const [first = "name"] = Object.keys(properties);
  switch (shape) {
    case "plain":
      return properties;
    case "frozen":
      return Object.freeze(properties);
    case "sealed":
      return Object.seal(properties);
    case "without prototype":
      return Object.assign(Object.create(null) as object, properties);
    case "inherited":
      return Object.create(properties) as object;
    case "of getters": {
      const object = {};
      for (const [name, value] of Object.entries(properties)) {
        Object.defineProperty(object, name, { enumerable: true, get: () => value });
      }
      return object;
    }
    case "of getters that throw":
      return getter(hands, { ...properties }, first);
    case "of getters that throw at the second look": {
      const { [first]: value } = properties;
      let looks = 0;
      const get = (): unknown => (looks++ === 0 ? value : fail(hands, `${first}, at the second look`));
      return Object.defineProperty({ ...properties }, first, { enumerable: true, get });
    }
    case "revoked":
      return revoked(properties);
  }
}

/** How a function behaves that is handed a token, or anything else. */
export const behaviours = [
  "returns",
  "throws",
  "rejects",
  "waits, then returns",
  "waits, then throws",
  "obeys its token",
  "answers its token with",
  "ignores its token, then returns",
  "sleeps, then returns",
] as const;

export type Behaviour = (typeof behaviours)[number];

/** The token that a function is handed, or that of the owner that it is handed. */
export function tokenOf(args: readonly unknown[]): CancellationToken | undefined {
  const [first] = args;
  const token = first instanceof TaskScope ? first.token : (first as { token?: unknown } | undefined)?.token;
  return [...args, token].find((argument) => argument instanceof CancellationToken);
}

/** What a function does, with what it is handed; `settle` hands what comes out of it on. */
export function behave(
  behaviour: Behaviour,
  value: unknown,
  args: readonly unknown[],
  hands: Hands,
  threw: (error: unknown) => void,
): unknown {
  const token = tokenOf(args);
  const raise = (error: unknown): never => {
    threw(error);
    throw error;
  };
  const waits = (): Promise<void> =>
    new Promise((resolve) => {
      later(hands, resolve);
      hands.pending(resolve);
    });
  switch (behaviour) {
    case "returns":
      return value;
    case "throws":
      return raise(value);
    case "rejects":
      threw(value);
      return Promise.reject(value);
    case "waits, then returns":
      return waits().then(() => value);
    case "waits, then throws":
      return waits().then(() => raise(value));
    case "obeys its token":
      return token === undefined ? value : token.race(waits());
    case "answers its token with":
      return token === undefined ? value : token.race(waits()).catch(() => raise(value));
    case "ignores its token, then returns":
      return token
        ?.race(waits())
        .catch(() => waits())
        .then(() => value);
    case "sleeps, then returns":
      return sleep(5, token).then(() => value);
  }
}
