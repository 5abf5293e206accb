/** Runs titles of the suite against a cluster, each in a process of its own with a time limit of its own. */
import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { places } from './places.ts';
import type { Result } from './score.ts';
import type { Title } from './titles.ts';

export interface SuiteOptions {
  kubeconfig: string;
  /** Where each title's output goes. */
  logs: string;
  /** Titles at the same time; serial ones run alone, after the others. */
  workers: number;
  /** Seconds for one title; those that upstream calls slow get three times as much. */
  seconds: number;
  nodes: number;
  /** Aborted: titles that run are ended and not counted, and no further ones are begun. */
  signal: AbortSignal;
  done(title: Title, result: Result, seconds: number): void;
}

export async function runSuite(titles: readonly Title[], options: SuiteOptions): Promise<void> {
  mkdirSync(options.logs, { recursive: true });
  const beside = titles.filter(({ serial }) => !serial);
  const worker = async () => {
    for (let title = beside.shift(); title !== undefined && !options.signal.aborted; title = beside.shift())
      await runTitle(title, options);
  };
  await Promise.all(Array.from({ length: options.workers }, worker));
  for (const title of titles) if (title.serial && !options.signal.aborted) await runTitle(title, options);
}

const escape = (text: string) => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
const nameOf = (text: string) => text.replace(/[^A-Za-z0-9]+/g, '-').slice(0, 180);
/** Between being asked to end (it cleans up then) and being ended. */
const graceSeconds = 30;

async function runTitle(title: Title, options: SuiteOptions): Promise<void> {
  const began = performance.now();
  const seconds = options.seconds * (title.text.includes('[Slow]') ? 3 : 1);
  const args = [
    join(places.bin, 'e2e.test'),
    `--kubeconfig=${options.kubeconfig}`,
    `--kubectl-path=${join(places.bin, 'kubectl')}`,
    '--provider=skeleton',
    `--num-nodes=${options.nodes}`,
    '--disable-log-dump',
    '--ginkgo.no-color',
    '--ginkgo.v',
    `--ginkgo.timeout=${seconds}s`,
    `--ginkgo.grace-period=${graceSeconds}s`,
    `--ginkgo.focus=${escape(title.text)}$`,
  ];
  // in a process group of its own: Ctrl-C reaches it by way of the signal alone
  const child = spawn('nice', ['-n', '5', ...args], { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const stop = () => child.kill('SIGKILL');
  options.signal.addEventListener('abort', stop);
  const log = createWriteStream(join(options.logs, `${nameOf(title.text)}.log`));
  let tail = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      log.write(chunk);
      tail = (tail + String(chunk)).slice(-20_000);
    });
  const limit = setTimeout(() => stop(), (seconds + 2 * graceSeconds) * 1000);
  await new Promise<void>((resolve) => child.once('close', () => resolve()));
  clearTimeout(limit);
  log.end();
  options.signal.removeEventListener('abort', stop);
  if (options.signal.aborted) return;
  options.done(title, resultOf(tail), (performance.now() - began) / 1000);
}

function resultOf(tail: string): Result {
  const [, passed, failed] = /(\d+) Passed \| (\d+) Failed/.exec(tail) ?? [];
  if (passed === undefined || tail.includes('[TIMEDOUT]')) return 'timed out';
  if (failed !== '0') return 'failed';
  return passed === '0' ? 'skipped' : 'passed';
}
