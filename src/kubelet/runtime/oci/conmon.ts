/** The holder `conmon`: writes the log in the CRI format itself. For containers without a terminal and without input. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../../machinery/index.ts';
import { runCommand } from '../command.ts';
import { type HeldContainer, type Holder, files } from '../holder.ts';
import { readText } from '../procfs.ts';
import { quote, quoteAll } from '../quote.ts';
import { readNumber } from '../waitfile.ts';
import type { RuntimeBinary } from './binary.ts';

const startTimeout = 60_000;
const told = 'created.json';

export interface ConmonOptions {
  conmon: string;
  runtime: RuntimeBinary;
  clock: Clock;
  /** Whether mounts made inside must reach the host. */
  sharedMounts: boolean;
}

export function conmonHolder(options: ConmonOptions): Holder {
  return {
    name: 'conmon',
    async start(container) {
      const { runtime, clock, sharedMounts } = options;
      const path = (name: string) => join(container.directory, name);
      const argv = runtime.wrap(['sh', '-c', script(container, options)], sharedMounts);
      // conmon leaves word of a lack of memory where it works
      const result = await runCommand(argv, { clock, cwd: container.directory, timeout: startTimeout, detached: true });
      const pid = readNumber(path(files.pid));
      if (result.code === 0 && pid !== undefined) return pid;
      await runtime.run(['delete', '--force', container.id], startTimeout).catch(() => undefined);
      await rm(join(container.exitDirectory, container.id), { force: true });
      throw new Error(whatItSaid(readText(path(told)), result.stderr));
    },
  };
}

/** conmon tells on descriptor 3 when the runtime has created the container; only then may it be started. */
function script(container: HeldContainer, { conmon, runtime }: ConmonOptions): string {
  const { id, directory, exitDirectory, logPath } = container;
  const hold = [
    conmon,
    '--api-version',
    '1',
    '--cid',
    id,
    '--cuuid',
    id,
    '--name',
    id,
    '--bundle',
    directory,
    '--runtime',
    runtime.path,
    ...runtime.options.map((option) => `--runtime-arg=${option}`),
    '--container-pidfile',
    join(directory, files.pid),
    '--conmon-pidfile',
    join(directory, files.holder),
    '--log-path',
    `k8s-file:${logPath}`,
    '--exit-dir',
    exitDirectory,
    '--persist-dir',
    directory,
    '--full-attach',
    '--no-sync-log',
  ]; // prettier-ignore
  return `_OCI_SYNCPIPE=3 ${quoteAll(hold)} 3>&1 >/dev/null 2>&1 | {
IFS= read -r line
printf %s "$line" >${quote(join(directory, told))}
case $line in *'"data":-'*|*'"data": -'*|'') exit 125;; esac
exec ${quoteAll(runtime.command('start', id))}
}`;
}

function whatItSaid(answer: string | undefined, stderr: string): string {
  try {
    const { message } = JSON.parse(answer ?? '') as { message?: string };
    if (message) return message.trim();
  } catch {
    // Not an answer of conmon: what was printed must do.
  }
  return stderr.trim() || 'conmon ended without saying why';
}

/** conmon's control pipe understands this as: open the log anew. */
export const reopenLog = '2 0 0\n';
