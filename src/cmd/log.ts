/** The log: JSON lines, one file. */
import pino from 'pino';
import type { Log } from '../client/index.ts';

export function logTo(file: string): Log {
  const level = process.env.GLASS_LOG_LEVEL ?? 'info';
  const redact = { paths: ['*.authorization', '*.token', '*.password'], censor: '[redacted]' };
  return pino(
    { level, redact, base: undefined, serializers: { err: pino.stdSerializers.err } },
    pino.destination({ dest: file, sync: false, mkdir: true, mode: 0o600 }),
  );
}
