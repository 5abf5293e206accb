/** Runs simulations from the command line: `--seed N --count N --profile NAME --tell`; without a count, until told to stop. */
import { parseArgs } from 'node:util';
import { type Outcome, profiles, simulate } from '../../src/testing/simulation/index.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    count: { type: 'string' },
    profile: { type: 'string' },
    tell: { type: 'boolean', default: false },
  },
});
const chosen = profiles.filter(({ name }) => values.profile === undefined || name === values.profile);
if (chosen.length === 0) {
  process.stderr.write(
    `error: --profile ${values.profile}: choose from ${profiles.map(({ name }) => name).join(', ')}\n`,
  );
  process.exit(2);
}
const first = Number(values.seed);
const count = values.count === undefined ? (values.tell ? 1 : Number.POSITIVE_INFINITY) : Number(values.count);
const total = { clusters: 0, writes: 0, milliseconds: 0, failed: 0 };
let stopping = false;
let running = '';
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => (stopping = true));
/** Milliseconds between two lines that say how far it is, in a run without end. */
const toldEvery = 60_000;
let toldAt = performance.now();
process.on('exit', () => {
  if (running !== '') process.stdout.write(`failed: ${running}\n  it came to a standstill\n`);
});

for (let seed = first; seed < first + count && !stopping; seed++)
  for (const profile of chosen) {
    if (stopping) break;
    const tell = values.tell ? (line: string) => process.stdout.write(`${line}\n`) : undefined;
    running = `--profile ${profile.name} --seed ${seed}`;
    note(await simulate({ seed, profile, ...(tell && { tell }) }));
    if (Number.isFinite(count) || performance.now() - toldAt < toldEvery) continue;
    toldAt = performance.now();
    process.stdout.write(`up to seed ${seed}: ${sum()}\n`);
  }
running = '';
process.stdout.write(`${sum()}\n`);
process.exit(total.failed > 0 ? 1 : 0);

function sum(): string {
  const hours = (total.milliseconds / 3_600_000).toFixed(1);
  return `${total.clusters} clusters, ${hours} cluster-hours, ${total.writes} writes, ${total.failed} failed`;
}

function note({ seed, profile, violations, writes, elapsed }: Outcome): void {
  total.clusters++;
  total.writes += writes;
  total.milliseconds += elapsed;
  if (violations.length === 0) return;
  total.failed++;
  process.stdout.write(
    `failed: --profile ${profile} --seed ${seed}\n${violations.map((one) => `  ${one}\n`).join('')}`,
  );
}
