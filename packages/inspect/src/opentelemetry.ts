/**
 * Spans of tasks, for OpenTelemetry.
 *
 * @packageDocumentation
 */
import {
  type Context,
  type Span,
  SpanStatusCode,
  type Tracer,
  context,
  createContextKey,
  trace,
} from "@opentelemetry/api";
import { type ScopeEvent, type Task, TaskScope, type TokenOwner, observe } from "@scope/core";

export interface TraceOptions {
  /** Makes the spans. @default the global tracer named "@scope/inspect" */
  tracer?: Tracer | undefined;
}

/** The name of the task that keeps a supervisor open: nobody's work. */
const KEEPER = "\0";

/** Says in a context whose task it belongs to. */
const TASK = /* @__PURE__ */ createContextKey("@scope/inspect task");

/** The part of an `AsyncLocalStorage` that is used. */
interface Storage {
  getStore(): unknown;
  enterWith(store: unknown): void;
}

/**
 * Makes a span of every task that is spawned from now on, until the function that it returns is called; tasks that live then keep
 * their spans, which end without them.
 *
 * - **A span** begins when its task is spawned, and ends with it. It is named as the task, or "task" if that has no name of its own.
 * - **Its parent** is the span of the task that its scope hangs on, or one that was made in that task and is active; without
 *   such a task, the span that is active where it is spawned.
 * - **Inside the task function** its span is active, if the context manager is the usual one of Node
 *   (`AsyncLocalStorageContextManager`). With any other the spans are the same, but those that the function makes do not nest.
 * - **A failure** sets the status to ERROR, `error.type`, and records the exception. **A cancellation** that was asked for is an event with
 *   its reason and source, and no error. A pending task that begins has an event, "started".
 *
 * Attributes: `scope.name`, `scope.kind`, `scope.task.id`, `scope.task.name`, `scope.task.status`, `scope.task.restarts`,
 * `scope.cancel.reason`, `scope.cancel.source`.
 *
 * @example
 * ```ts
 * const untrace = traceTasks();
 * ```
 */
export function traceTasks(options: TraceOptions = {}): () => void {
  const { tracer = trace.getTracer("@scope/inspect") } = options;
  const parents = new WeakMap<TaskScope, TokenOwner>();
  const traced = new WeakMap<Task<unknown>, { readonly span: Span; readonly context: Context }>();
  /** The tasks whose functions are in their synchronous part, and what was active around each. */
  const entered: { readonly task: Task<unknown>; readonly storage: Storage; readonly before: unknown }[] = [];
  let spawned: Task<unknown> | undefined;

  /** The context that a task of a scope is to be seen in. */
  const contextFor = (scope: TaskScope): Context => {
    const active = context.active();
    let owner: TokenOwner | undefined = scope;
    while (owner instanceof TaskScope) owner = parents.get(owner);
    const above = owner && traced.get(owner);
    return above === undefined || active.getValue(TASK) === owner ? active : above.context;
  };

  const start = ({ task, scope, options }: Extract<ScopeEvent, { type: "task-spawned" }>): void => {
    const named = options?.name;
    if (named === KEEPER) return;
    spawned = task;
    const around = contextFor(scope);
    const span = tracer.startSpan(
      named ?? "task",
      {
        attributes: {
          "scope.name": scope.name,
          "scope.kind": scope.toString().split(' "', 1)[0] ?? "",
          "scope.task.id": task.id,
          "scope.task.name": task.name,
          ...(options?.restarts !== undefined && { "scope.task.restarts": options.restarts }),
        },
      },
      around,
    );
    traced.set(task, { span, context: trace.setSpan(around, span).setValue(TASK, task) });
  };

  const enter = (task: Task<unknown>): void => {
    const mine = traced.get(task);
    if (mine === undefined) return;
    if (task !== spawned) mine.span.addEvent("started");
    spawned = undefined;
    const storage = storageOfContext();
    if (storage === undefined) return;
    entered.push({ task, storage, before: storage.getStore() });
    storage.enterWith(mine.context);
  };

  const leave = (task: Task<unknown>): void => {
    const last = entered.at(-1);
    if (last?.task !== task) return;
    entered.pop();
    last.storage.enterWith(last.before);
  };

  const end = (task: Task<unknown>): void => {
    // One that starts after this has waited for its slot.
    spawned = undefined;
    const { span } = traced.get(task) ?? {};
    if (span === undefined) return;
    traced.delete(task);
    span.setAttribute("scope.task.status", task.status);
    if (task.status === "failed") recordFailure(span, task.error);
    span.end();
  };

  return observe((event) => {
    switch (event.type) {
      case "scope-opened":
        if (event.parent !== undefined) parents.set(event.scope, event.parent);
        break;
      case "task-spawned":
        start(event);
        break;
      case "task-started":
        enter(event.task);
        break;
      case "task-suspended":
        leave(event.task);
        break;
      case "cancel-requested": {
        const { owner, error } = event;
        const { span } = (owner instanceof TaskScope ? undefined : traced.get(owner)) ?? {};
        const attributes = { "scope.cancel.reason": error.message, "scope.cancel.source": error.source };
        span?.setAttributes(attributes).addEvent("cancel requested", attributes);
        break;
      }
      case "task-done":
        end(event.task);
        break;
      case "awaited":
      case "sleeping":
      case "scope-closed":
        break;
    }
  });
}

function recordFailure(span: Span, error: unknown): void {
  const failure = error instanceof Error ? error : new Error(`Not an Error: ${typeof error}`);
  span.setAttribute("error.type", failure.name);
  span.recordException(failure);
  span.setStatus({ code: SpanStatusCode.ERROR, message: failure.message });
}

/**
 * Where the usual context manager of Node keeps the active context. The interface of context managers knows only functions that are
 * called inside a context, and a task's function is called by its owner.
 */
function storageOfContext(): Storage | undefined {
  const getManager: unknown = Reflect.get(context, "_getContextManager");
  if (typeof getManager !== "function") return undefined;
  const manager: unknown = Reflect.apply(getManager, context, []);
  const storage: unknown = Reflect.get(Object(manager) as object, "_asyncLocalStorage");
  return typeof (storage as Partial<Storage> | undefined)?.enterWith === "function"
    ? (storage as Storage)
    : undefined;
}
