/** The command line as a test's subject: starts clusters in folders of their own, and ends all they made. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const execute = promisify(execFile);
export const root = fileURLToPath(new URL('../..', import.meta.url));
const main = join(root, 'src/cmd/glass.ts');

export interface Glass extends AsyncDisposable {
  readonly directory: string;
  readonly kubeconfig: string;
  /** What `up` printed so far. */
  output(): string;
  readonly process: ChildProcess;
  /** Runs a command of `glass` on this cluster; resolves with its standard output. */
  run(...args: string[]): Promise<string>;
  /** Ends `up` with a signal and waits until it is gone. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts `up` again on the same folder. */
  again(): Promise<void>;
}

export interface GlassOptions {
  runtime: 'oci' | 'process' | 'sim';
  /** Run as this user instead of root. */
  uid?: number;
  /** What the user's own kubeconfig holds; the cluster is then added to it, not written to a file apart. */
  usersKubeconfig?: string;
  /** Further ones for `up`. */
  args?: readonly string[];
  /** Where its folders are made; absent: where temporary files go. */
  within?: string;
}

export async function startGlass(options: GlassOptions): Promise<Glass> {
  const { runtime, uid, usersKubeconfig, args: further = [], within = tmpdir() } = options;
  const home = mkdtempSync(join(within, 'glass-test-'));
  const directory = join(home, 'cluster');
  const kubeconfig = usersKubeconfig === undefined ? join(home, 'kubeconfig') : join(home, 'home/.kube/config');
  mkdirSync(join(home, 'home/.kube'), { recursive: true });
  if (usersKubeconfig !== undefined) writeFileSync(kubeconfig, usersKubeconfig);
  if (uid !== undefined) await execute('chown', ['-R', String(uid), home]);
  const env = {
    ...process.env,
    HOME: join(home, 'home'),
    GLASS_HOME: home,
    KUBECONFIG: undefined,
    NODE_TEST_CONTEXT: undefined,
  };
  const up = async () => {
    const args = [main, 'up', '--port', '0', '--data-dir', directory, '--runtime', runtime, ...further];
    if (usersKubeconfig === undefined) args.push('--kubeconfig', kubeconfig);
    const child = spawn(process.execPath, args, {
      env: env as NodeJS.ProcessEnv,
      uid,
      gid: uid,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let printed = '';
    await new Promise<void>((resolve, reject) => {
      const take = (chunk: Buffer) => {
        printed += String(chunk);
        if (/^ready in \d+ ms$/m.test(printed)) resolve();
      };
      child.stdout!.on('data', take);
      child.stderr!.on('data', take);
      child.once('exit', (code) => reject(new Error(`glass up ended with ${code}:\n${printed}`)));
    });
    return { child, printed: () => printed };
  };
  let running = await up();
  const run = async (...args: string[]) => {
    const options = { env: env as NodeJS.ProcessEnv, uid, gid: uid, timeout: 120_000, maxBuffer: 1 << 26 };
    const { stdout } = await execute(process.execPath, [main, ...args, '--data-dir', directory], options);
    return stdout;
  };
  const ended = (child: ChildProcess) =>
    child.exitCode !== null || child.signalCode !== null
      ? Promise.resolve()
      : new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    directory,
    kubeconfig,
    output: () => running.printed(),
    get process() {
      return running.child;
    },
    run,
    async kill(signal) {
      running.child.kill(signal);
      await ended(running.child);
    },
    async again() {
      running = await up();
    },
    async [Symbol.asyncDispose]() {
      await run('down').catch((error: Error) => process.stderr.write(`${error.message}\n`));
      await ended(running.child);
      rmSync(home, { recursive: true, force: true });
    },
  };
}

export async function eventually<T>(check: () => T | Promise<T>, seconds = 30): Promise<NonNullable<T>> {
  const until = performance.now() + seconds * 1000;
  for (;;) {
    try {
      const found = await check();
      if (found) return found as NonNullable<T>;
      throw new Error(`it did not come about within ${seconds} s`);
    } catch (error) {
      if (performance.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}
