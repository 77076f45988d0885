declare module "nursery" {
  type NurseryTask = (nurse: { signal: AbortSignal }) => Promise<unknown>;
  function Nursery(tasks: NurseryTask[], options?: { abortController?: AbortController }): Promise<unknown>;
  namespace Nursery {
    class CancelTask extends Error {}
  }
  export = Nursery;
}
