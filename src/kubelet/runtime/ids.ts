/**
 * Ids are derived from what they name, 64 hexadecimal digits: after a crash in the middle of making a sandbox or a
 * container, making it again finds what is there instead of making a second one.
 */
import { createHash } from 'node:crypto';
import type { ContainerConfig, SandboxConfig } from './runtime.ts';

export function sandboxId({ metadata: { namespace, name, uid, attempt } }: SandboxConfig): string {
  return digest('sandbox', namespace, name, uid, `${attempt}`);
}

export function containerId(sandbox: string, { metadata: { name, attempt } }: ContainerConfig): string {
  return digest('container', sandbox, name, `${attempt}`);
}

function digest(...parts: string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
