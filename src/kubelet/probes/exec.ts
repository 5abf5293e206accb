/** A command inside the container: exit code 0 is good. */
import { Writable } from 'node:stream';
import type { Runtime } from '../runtime/runtime.ts';
import type { Outcome } from './outcome.ts';

const maxOutput = 10 * 1024;

export async function probeExec(
  runtime: Runtime,
  containerId: string,
  command: string[],
  signal: AbortSignal,
): Promise<Outcome> {
  const chunks: Buffer[] = [];
  let size = 0;
  const sink = () =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        if (size < maxOutput) chunks.push(chunk.subarray(0, maxOutput - size));
        size += chunk.length;
        done();
      },
    });
  try {
    const code = await runtime.exec(containerId, { command, tty: false, signal }, { stdout: sink(), stderr: sink() });
    const output = Buffer.concat(chunks).toString();
    if (signal.aborted) return { ok: false, output: `command timed out: "${command.join(' ')}"` };
    return {
      ok: code === 0,
      output: output || (code === 0 ? '' : `command "${command.join(' ')}" exited with ${code}`),
    };
  } catch (error) {
    if (signal.aborted) return { ok: false, output: `command timed out: "${command.join(' ')}"` };
    return { ok: false, output: (error as Error).message };
  }
}
