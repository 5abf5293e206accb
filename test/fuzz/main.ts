/** Fuzzes from the command line: `--seed N --from N --count N --life N`. */
import { parseArgs } from 'node:util';
import { fuzz } from './fuzz.ts';

const number = { type: 'string' } as const;
const { values } = parseArgs({ options: { seed: number, from: number, count: number, life: number } });
const read = (name: keyof typeof values, otherwise: number) => {
  const value = values[name] === undefined ? otherwise : Number(values[name]);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  process.stderr.write(`error: --${name} ${values[name]}: a whole number is expected\n`);
  process.exit(2);
};
process.on('unhandledRejection', (error) => {
  process.stdout.write(`an unhandled rejection: ${String((error as Error)?.stack ?? error)}\n`);
  process.exit(1);
});
const { faults, requests, statuses } = await fuzz({
  seed: read('seed', 1),
  from: read('from', 0),
  count: read('count', 1_000_000),
  life: read('life', 50_000),
  tell: (line) => process.stdout.write(`${line}\n`),
});
for (const fault of faults) process.stdout.write(`${fault}\n`);
const counts = Object.entries(statuses).map(([status, count]) => `${status}: ${count}`);
process.stdout.write(`${requests} requests, ${faults.length} faults (${counts.join(', ')})\n`);
process.exit(faults.length > 0 ? 1 : 0);
