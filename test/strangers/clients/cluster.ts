/** The cluster that a client's tests run against: one node with real containers, in network namespaces without a way out. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { startGlass } from '../../testkit/glass.ts';
import { within } from '../within.ts';
import { images } from './images.ts';
import { places } from './places.ts';

export interface Told {
  code: number;
  text: string;
}

/** Resolves when the program has ended, however that went. `seconds`: then it is ended. */
export type Run = (
  program: string,
  args: readonly string[],
  options: { cwd: string; seconds: number },
) => Promise<Told>;

/** `fetch` is called outside, where the network is; `test` inside, with the cluster. Answers whether all passed. */
export function withCluster(fetch: () => void, test: (run: Run) => Promise<boolean>): Promise<boolean> {
  mkdirSync(places.logs, { recursive: true });
  return within(fetch, () => testInside(test));
}

async function testInside(test: (run: Run) => Promise<boolean>): Promise<boolean> {
  await using glass = await startGlass({ runtime: 'oci' });
  for (const archive of images()) await glass.run('image', 'import', archive);
  const env = { PATH: process.env.PATH, HOME: places.root, KUBECONFIG: glass.kubeconfig };
  const policy = fileURLToPath(new URL('cluster.yaml', import.meta.url));
  execFileSync('kubectl', ['apply', '-f', policy], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  return await test(
    (program, args, { cwd, seconds }) =>
      new Promise((resolve) =>
        execFile(program, args, { env, cwd, timeout: seconds * 1000, maxBuffer: 64 << 20 }, (error, stdout, stderr) =>
          resolve({ code: error === null ? 0 : 1, text: stdout + stderr }),
        ),
      ),
  );
}
