// What `worker.py` has, in TypeScript's SDK.
import { condition, defineSignal, setHandler } from '@temporalio/workflow';

export async function Invoice(order) {
  let said;
  setHandler(defineSignal('go'), (word) => { said = word; });
  if (!order.waits) return { invoiced: order.n };
  await condition(() => said !== undefined);
  return { invoiced: order.n, said };
}
