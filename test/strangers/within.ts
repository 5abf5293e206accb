/** A suite in network namespaces of its own, without a way out: what strangers install calls whom it likes. */
import { spawnSync } from 'node:child_process';
import { insideCommand } from '../testkit/inside.ts';

const marker = 'GLASS_STRANGERS_INSIDE';

/** `fetch` is called outside, where the network is; `test` inside. Answers whether all passed. */
export async function within(fetch: () => void, test: () => Promise<boolean>): Promise<boolean> {
  if (process.env[marker] !== undefined) return test();
  fetch();
  // the one inside ends what it began
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {});
  const [program, ...args] = insideCommand(process.argv.slice(1));
  return spawnSync(program!, args, { env: { ...process.env, [marker]: '1' }, stdio: 'inherit' }).status === 0;
}
