// A worker of TypeScript's SDK: `node worker.mjs ADDRESS QUEUE`. Talks as `contestants/lines.py` does, and ends with its input.
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { NativeConnection, Worker, Runtime, DefaultLogger } from '@temporalio/worker';

const [address, taskQueue] = process.argv.slice(2);
const say = (document) => process.stdout.write(JSON.stringify(document) + '\n');

Runtime.install({ logger: new DefaultLogger('WARN', ({ level, message }) => console.error(level, message)), shutdownSignals: [] });
const connection = await NativeConnection.connect({ address });
const worker = await Worker.create({
  connection,
  taskQueue,
  workflowsPath: fileURLToPath(new URL('./workflows.mjs', import.meta.url)),
  activities: { add: async (n) => n + 1 },
  maxCachedWorkflows: 60000,
  maxConcurrentWorkflowTaskExecutions: 200,
  maxConcurrentActivityTaskExecutions: 200,
});
const running = worker.run();
say({ ready: true });
for await (const line of createInterface({ input: process.stdin })) {
  const { do: what } = JSON.parse(line);
  if (what === 'settle') {
    globalThis.gc();
    say({ answer: null });
  } else {
    say({ error: `cannot ${what}` });
  }
}
worker.shutdown();
await running;
await connection.close();
