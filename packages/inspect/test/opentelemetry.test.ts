/** Spans, by the in-memory exporter. */
import { ROOT_CONTEXT, SpanStatusCode, context, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { TaskScope } from "@scope/core";
import { traceTasks } from "@scope/inspect/opentelemetry";
import { Supervisor } from "@scope/supervisor";
import { TaskGroup } from "@scope/taskgroup";
import { Deferred, captureReports, macrotask, waits } from "@scope/test-utils";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

let exporter: InMemorySpanExporter;
let provider: BasicTracerProvider;
let untrace: () => void;

const tracer = (): ReturnType<BasicTracerProvider["getTracer"]> => provider.getTracer("test");

beforeEach(() => {
  exporter = new InMemorySpanExporter();
  provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  untrace = traceTasks({ tracer: tracer() });
});

afterEach(async () => {
  untrace();
  context.disable();
  trace.disable();
  await provider.shutdown();
});

function span(name: string): ReadableSpan {
  const found = exporter.getFinishedSpans().find((one) => one.name === name);
  if (found === undefined) throw new Error(`no span "${name}"`);
  return found;
}

const parentOf = (name: string): string | undefined => {
  const id = span(name).parentSpanContext?.spanId;
  return exporter.getFinishedSpans().find((one) => one.spanContext().spanId === id)?.name;
};

describe(traceTasks, () => {
  it("makes the span of a task the child of the task that its scope hangs on", async () => {
    await TaskGroup.run(
      (group) => {
        const outer = group.spawn(waits, { name: "outer" });
        const inner = new TaskScope({ token: outer.token });
        const innermost = new TaskScope({ token: inner.token });
        innermost.spawn(() => 1, { name: "below" });
        void innermost
          .join()
          .then(() => inner.join())
          .then(() => outer.cancel());
      },
      { name: "work" },
    );
    expect(parentOf("below")).toBe("outer");
    expect(parentOf("outer")).toBeUndefined();
    expect(span("outer").attributes).toMatchObject({
      "scope.name": "work",
      "scope.kind": "TaskGroup",
      "scope.task.name": "outer",
      "scope.task.status": "cancelled",
    });
  });

  it("is not active in what is told of a task's end, nor around what is spawned there", async () => {
    await tracer().startActiveSpan("request", async (request) => {
      const scope = new TaskScope({
        onTaskDone({ name }) {
          tracer().startSpan(`after ${name}`).end();
          if (name === "first") scope.spawn(() => 2, { name: "second" });
        },
      });
      scope
        .spawn(() => 1, { name: "first" })
        .onDone(() => {
          tracer().startSpan("listener").end();
        });
      await scope.join();
      request.end();
    });
    expect(["after first", "listener", "second", "after second"].map(parentOf)).toEqual(
      Array<string>(4).fill("request"),
    );
  });

  it("of the calls of a map is below what is around the map, and not one below the other", async () => {
    await TaskGroup.map([1, 2, 3], () => macrotask(), { concurrency: 1 });
    expect(exporter.getFinishedSpans().map(({ parentSpanContext }) => parentSpanContext)).toEqual(
      Array<undefined>(3).fill(undefined),
    );
  });

  it("is active in the task function and in what follows, and not around spawn", async () => {
    await tracer().startActiveSpan("request", async (request) => {
      await TaskScope.run(async (scope) => {
        const task = scope.spawn(
          async (token) => {
            tracer().startSpan("early").end();
            await macrotask();
            await tracer().startActiveSpan("step", async (step) => {
              await TaskScope.run((inner) => void inner.spawn(() => 1, { name: "nested" }), { token });
              step.end();
            });
          },
          { name: "task" },
        );
        tracer().startSpan("beside").end();
        await task;
      });
      request.end();
    });
    expect(["task", "early", "step", "nested", "beside"].map(parentOf)).toEqual([
      "request",
      "task",
      "task",
      "step",
      "request",
    ]);
  });

  it('names a task without a name of its own "task", and tells when a pending one begins', async () => {
    const gate = new Deferred();
    await TaskScope.run(
      (scope) => {
        scope.spawn(() => gate.promise);
        scope.spawn(() => 1, { name: "pending" });
        gate.resolve();
      },
      { concurrency: 1 },
    );
    expect(span("task").events).toEqual([]);
    expect(span("pending").events.map(({ name }) => name)).toEqual(["started"]);
  });

  it("shows a failure with its exception, and a cancellation with reason and source", async () => {
    await TaskGroup.run((group) => {
      group.spawn(waits, { name: "cancelled" });
      group.spawn(() => Promise.reject(new TypeError("boom")), { name: "failed" });
    }).catch(() => undefined);
    expect(span("failed").status).toEqual({ code: SpanStatusCode.ERROR, message: "boom" });
    expect(span("failed").attributes).toMatchObject({
      "error.type": "TypeError",
      "scope.task.status": "failed",
    });
    expect(span("failed").events[0]).toMatchObject({
      name: "exception",
      attributes: { "exception.type": "TypeError", "exception.message": "boom" },
    });
    const asked = { "scope.cancel.reason": "boom", "scope.cancel.source": "sibling" };
    expect(span("cancelled").status.code).toBe(SpanStatusCode.UNSET);
    expect(span("cancelled").attributes).toMatchObject(asked);
    expect(span("cancelled").events).toMatchObject([{ name: "cancel requested", attributes: asked }]);
  });

  it("records what is no Error, and the restarts of a supervised child, whose keeper has no span", async () => {
    using reports = captureReports();
    const supervisor = new Supervisor({ name: "workers" });
    let attempts = 0;
    const settled = new Deferred();
    supervisor.supervise(
      async () => {
        if (++attempts === 1) throw "text";
        settled.resolve();
      },
      { name: "worker", restart: "transient", backoff: { initial: 0 } },
    );
    await settled.promise;
    await supervisor.stop();
    const spans = exporter.getFinishedSpans();
    expect(spans.map(({ name, attributes }) => [name, attributes["scope.task.restarts"]])).toEqual([
      ["worker", 0],
      ["worker", 1],
    ]);
    expect(spans[0]?.status.message).toBe("Not an Error: string");
    expect([...reports]).toHaveLength(1);
  });

  it("makes the same spans with another context manager, or none, only that nothing nests by itself", async () => {
    context.disable();
    await TaskScope.run(async (scope) => {
      const task = scope.spawn(
        async (token) => {
          tracer().startSpan("own").end();
          await TaskScope.run((inner) => void inner.spawn(() => 1, { name: "below" }), { token });
        },
        { name: "task" },
      );
      await task;
    });
    expect(["below", "own"].map(parentOf)).toEqual(["task", undefined]);
    expect(context.active()).toBe(ROOT_CONTEXT);
  });

  it("takes the global tracer by default, and ends with the function that it returns", async () => {
    trace.setGlobalTracerProvider(provider);
    untrace();
    untrace = traceTasks();
    await TaskScope.run((scope) => void scope.spawn(() => 1, { name: "seen" }));
    untrace();
    await TaskScope.run((scope) => void scope.spawn(() => 1, { name: "unseen" }));
    expect(exporter.getFinishedSpans().map(({ name }) => name)).toEqual(["seen"]);
  });
});
