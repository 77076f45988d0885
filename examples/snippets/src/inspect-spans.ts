import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { TaskScope } from "@scope/core";

const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });

// #region spans
import { traceTasks } from "@scope/inspect/opentelemetry";

const untrace = traceTasks({ tracer: provider.getTracer("app") });
// #endregion
await TaskScope.run((scope) => {
  scope.spawn((token) => TaskScope.run((inner) => void inner.spawn(() => 1, { name: "query" }), { token }), {
    name: "request",
  });
});
untrace();
const spans = exporter.getFinishedSpans();
for (const { name, parentSpanContext } of spans) {
  const parent = spans.find((span) => span.spanContext().spanId === parentSpanContext?.spanId);
  console.log(name, "below", parent?.name ?? "nothing");
}

// Output:
// query below request
// request below nothing
