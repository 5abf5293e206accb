/** Files that are read again when they change. What is wrong with a change is told once, and it stays as it was. */
import { createHash } from 'node:crypto';
import { load } from 'js-yaml';
import { type Around, textOf, within } from './files.ts';

/** How often a changed file is looked for, in milliseconds. */
const lookEvery = 60_000;

export interface Following {
  readonly file: string;
  /** What it configures: part of upstream's metric names. */
  readonly of: 'authentication' | 'authorization' | 'encryption';
  /** Takes on what the file says; throwing: it cannot be. */
  take(content: unknown): Promise<void> | void;
}

/** Resolves once the file was read for the first time; rejects when that cannot be. What comes back ends it. */
export async function followFile({ file, of, take }: Following, around: Around): Promise<() => void> {
  const { clock, log } = around;
  let text = '';
  await within(file, async () => {
    text = textOf(file);
    await take(load(text));
  });
  const tell = reloadCounts(of, around);
  let busy = false;
  const look = async () => {
    const now = textOf(file);
    if (now === text) return;
    text = now;
    await take(load(now));
    tell('success');
    log.info({ file }, `the ${of} configuration was read again`);
  };
  const timer = clock.every(lookEvery, () => {
    if (busy) return;
    busy = true;
    void look()
      .catch((err: unknown) => {
        tell('failure');
        log.error({ err, file }, `the ${of} configuration cannot be read; it stays as it was`);
      })
      .finally(() => (busy = false));
  });
  return () => timer.cancel();
}

/** Under upstream's names. */
function reloadCounts(of: string, { clock, random, metrics }: Around): (status: 'success' | 'failure') => void {
  const prefix = `apiserver_${of}_config_controller_automatic_reload`;
  const labels = ['status', 'apiserver_id_hash'];
  const id = `sha256:${createHash('sha256').update(random.uuid()).digest('hex')}`;
  const total = metrics.counter(`${prefix}s_total`, 'Times that a changed configuration was read', labels);
  const last = metrics.gauge(`${prefix}_last_timestamp_seconds`, 'When that was last, since the epoch', labels);
  return (status) => {
    total.with(status, id).add();
    last.with(status, id).set(clock.now() / 1000);
  };
}
