/** Runs a command in a container, or joins its program, over streams from whatever protocol; says how it ended. */
import { finished } from 'node:stream/promises';
import type { Status } from '../../machinery/index.ts';
import { StatusError } from '../../machinery/index.ts';
import type { Runtime, Streams } from '../runtime/runtime.ts';

export interface RemoteRequest {
  kind: 'exec' | 'attach';
  containerId: string;
  command: string[];
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
}

/** What the query of `/exec` and `/attach` asks for, in both spellings. Throws `BadRequest`. */
export function parseRemoteQuery(kind: 'exec' | 'attach', query: URLSearchParams): Omit<RemoteRequest, 'containerId'> {
  const flag = (...names: string[]) => names.some((name) => ['1', 'true'].includes(query.get(name) ?? ''));
  const tty = flag('tty');
  const request = {
    kind,
    command: query.getAll('command'),
    stdin: flag('input', 'stdin'),
    stdout: flag('output', 'stdout'),
    // A terminal has one output.
    stderr: flag('error', 'stderr') && !tty,
    tty,
  };
  if (!request.stdin && !request.stdout && !request.stderr) {
    throw StatusError.badRequest('you must specify at least 1 of stdin, stdout, stderr');
  }
  if (kind === 'exec' && request.command.length === 0)
    throw StatusError.badRequest('you must specify at least one command');
  return request;
}

const base = { kind: 'Status', apiVersion: 'v1', metadata: {} } as const;

/** Never rejects. */
export async function runRemote(
  runtime: Runtime,
  request: RemoteRequest,
  streams: Streams,
  signal: AbortSignal,
): Promise<Status> {
  try {
    if (request.kind === 'attach') {
      await runtime.attach(request.containerId, { tty: request.tty, signal }, streams);
      return { ...base, status: 'Success' };
    }
    const { command, tty } = request;
    const code = await runtime.exec(request.containerId, { command, tty, signal }, streams);
    return code === 0 ? { ...base, status: 'Success' } : exitStatus(code);
  } catch (error) {
    return StatusError.internal(`error executing command in container: ${(error as Error).message}`).toStatus();
  }
}

/** Ends the outputs and waits until all that was written has been passed on: the verdict comes after the last byte. */
export async function flush({ stdout, stderr }: Streams): Promise<void> {
  for (const output of [stdout, stderr]) {
    if (!output) continue;
    if (!output.writableEnded) output.end();
    await finished(output, { readable: false }).catch(() => {});
  }
}

export function exitStatus(code: number): Status {
  return {
    ...base,
    status: 'Failure',
    reason: 'NonZeroExitCode',
    message: `command terminated with non-zero exit code: exit status ${code}`,
    details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
  };
}

/** Terminal sizes as they arrive, one JSON object after another. */
export async function* terminalSizes(chunks: AsyncIterable<Buffer>): AsyncIterable<{ width: number; height: number }> {
  let text = '';
  for await (const chunk of chunks) {
    text += chunk.toString();
    if (text.length > 4096) throw new Error('terminal size is over 4096 bytes');
    for (let end = text.indexOf('}'); end >= 0; end = text.indexOf('}')) {
      const size = JSON.parse(text.slice(0, end + 1));
      text = text.slice(end + 1);
      const width = Number(size.Width ?? size.width);
      const height = Number(size.Height ?? size.height);
      if (width > 0 && height > 0) yield { width, height };
    }
  }
}
