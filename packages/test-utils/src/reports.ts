import { setTaskErrorHandler, type TaskErrorContext } from "@scope/core";

/** Takes the process-wide handler's place until it is disposed of: `using reports = captureReports()`. */
export function captureReports(): TaskErrorContext[] & Disposable {
  const reports: TaskErrorContext[] = [];
  const previous = setTaskErrorHandler((context) => {
    reports.push(context);
  });
  return Object.assign(reports, {
    [Symbol.dispose]: () => {
      setTaskErrorHandler(previous);
    },
  });
}
