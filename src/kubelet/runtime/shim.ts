/**
 * The holder that is always there: `sh`. It runs the program in the foreground, its output appended to raw files that
 * `pump.ts` turns into the log, and writes the exit code when it ends. With a terminal, `script` owns it; input arrives
 * through a fifo that `sleep` keeps open, until input ends.
 */
import { spawn } from 'node:child_process';
import { access, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../machinery/index.ts';
import { childEnvironment, runCommand, signalNumber } from './command.ts';
import { type HeldContainer, files } from './holder.ts';
import { quoteAll } from './quote.ts';
import { readNumber, waitInDirectories } from './waitfile.ts';

const startTimeout = 60_000;

// In subshells, for the shell itself says "Killed" to where its command's errors go.
const script = `cd "$1" || exit 1
exit=$2 mode=$3 line=$4; shift 4
echo $$ >${files.holder}
keep=
case $mode in
  plain) (exec "$@" </dev/null >>${files.stdout} 2>>${files.stderr}) ;;
  *)
    sleep 2147483647 >${files.stdin} 2>/dev/null & keep=$!
    echo $keep >${files.stdinKeeper}
    if [ $mode = tty ]; then (exec script -qefc "$line" /dev/null <${files.stdin} >>${files.stdout} 2>>${files.stderr})
    else (exec "$@" <${files.stdin} >>${files.stdout} 2>>${files.stderr})
    fi ;;
esac
code=$?
[ -z "$keep" ] || kill $keep 2>/dev/null
echo $code >"$exit"`;

export interface ShimOptions {
  clock: Clock;
  /** More that the program's own launcher needs in its environment. */
  env?: Record<string, string>;
}

/**
 * Runs `argv`, which writes its process id to `<directory>/pid` once it runs. Resolves with that id; with undefined when it
 * ended before it told one: then the exit file says with which code.
 */
export async function startShim(
  container: HeldContainer,
  argv: string[],
  { clock, env }: ShimOptions,
): Promise<number | undefined> {
  const { directory, exitDirectory, id, stdin, tty } = container;
  const mode = tty ? 'tty' : stdin ? 'stdin' : 'plain';
  if (tty) await access('/usr/bin/script').catch(needScript);
  if (mode !== 'plain') await makeFifo(join(directory, files.stdin), clock);
  const exitFile = join(exitDirectory, id);
  const words = ['-c', script, 'sh', directory, exitFile, mode, tty ? `tty >tty; exec ${quoteAll(argv)}` : '', ...argv];
  const environment = childEnvironment(tty ? { SHELL: '/bin/sh', TERM: 'xterm', ...env } : env);
  const shim = spawn('sh', words, { stdio: 'ignore', detached: true, env: environment });
  const failed = new Promise<never>((_, reject) => shim.on('error', reject));
  const limit = new AbortController();
  const timer = clock.after(startTimeout, () => limit.abort(new Error(`not started within ${startTimeout} ms`)));
  const look = () => {
    const pid = readNumber(join(directory, files.pid));
    if (pid !== undefined) return { pid };
    return readNumber(exitFile) === undefined ? undefined : { pid: undefined };
  };
  try {
    return (await Promise.race([failed, waitInDirectories([directory, exitDirectory], look, limit.signal)])).pid;
  } catch (error) {
    limit.abort(error);
    throw error;
  } finally {
    timer.cancel();
    shim.unref();
  }
}

async function makeFifo(path: string, clock: Clock): Promise<void> {
  await rm(path, { force: true });
  const { code, stderr } = await runCommand(['mkfifo', '-m', '600', path], { clock, timeout: 5000 });
  if (code !== 0) throw new Error(`cannot make the fifo for the container's input: ${stderr.trim()}`);
}

function needScript(): never {
  throw new Error('a terminal needs the program script (Debian: bsdutils, Alpine: util-linux-misc); install it');
}

/** The number in an exit file, as `waitpid` would have told it to a shell. */
export function wasKilled(code: number): boolean {
  return code === 128 + (signalNumber('SIGKILL') ?? 9);
}
