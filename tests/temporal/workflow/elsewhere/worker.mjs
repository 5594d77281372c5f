// A worker of TypeScript's SDK that knows nothing of us: `node worker.mjs ADDRESS QUEUE`. It ends with its input.
import { fileURLToPath } from 'node:url';
import { NativeConnection, Worker, Runtime, DefaultLogger } from '@temporalio/worker';

const [address, taskQueue] = process.argv.slice(2);
Runtime.install({ logger: new DefaultLogger('WARN', ({ level, message }) => console.error(level, message)), shutdownSignals: [] });
const connection = await NativeConnection.connect({ address });
const worker = await Worker.create({
  connection,
  taskQueue,
  workflowsPath: fileURLToPath(new URL('./workflows.mjs', import.meta.url)),
  activities: { ChargeCard: async (order) => ({ charged: order.n }) },
});
const running = worker.run();
process.stdout.write('ready\n');
for await (const _ of process.stdin);
worker.shutdown();
await running;
await connection.close();
