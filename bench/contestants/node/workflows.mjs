// The workloads in TypeScript's SDK: what `entries/` has in Lua and `contestants/workflows.py` in Python.
import { condition, defineSignal, defineUpdate, proxyActivities, setHandler, sleep } from '@temporalio/workflow';

const { add } = proxyActivities({ startToCloseTimeout: '10 minutes' });
const tick = defineSignal('tick');

function inbox() {
  const waiting = [];
  setHandler(tick, (value) => void waiting.push(value));
  return async () => {
    await condition(() => waiting.length > 0);
    return waiting.shift();
  };
}

export async function noop() {
  return 1;
}

export async function steps(count) {
  let n = 0;
  for (let i = 0; i < count; i++) n = await add(n);
  return n;
}

export async function fan(count) {
  const results = await Promise.all(Array.from({ length: count }, (_, i) => add(i + 1)));
  return results.reduce((sum, n) => sum + n, 0);
}

export async function signals(count) {
  const receive = inbox();
  for (let i = 0; i < count; i++) await receive();
  return count;
}

export async function timers(count) {
  for (let i = 0; i < count; i++) await sleep(1);
  return count;
}

export async function echo() {
  setHandler(defineUpdate('echo'), (value) => value);
  await inbox()();
}

export async function parked(count) {
  const receive = inbox();
  for (let i = 1; i < count; i++) condition(() => false);
  for (;;) await receive();
}
