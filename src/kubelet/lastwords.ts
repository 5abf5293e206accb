/** A container's termination message: what it wrote to its file, or the end of its log when it failed without a word. */
import { open } from 'node:fs/promises';
import { annotation } from './labels.ts';
import type { ContainerStatus } from './runtime/runtime.ts';

const maxMessage = 4096;
const maxLogBytes = 2048;
const maxLogLines = 80;

/** '' when there is none; never rejects. */
export async function lastWords(container: ContainerStatus): Promise<string> {
  const file = container.annotations[annotation.terminationLog];
  const told = file ? (await readEnd(file, maxMessage)).trimEnd() : '';
  const fallback = container.annotations[annotation.terminationMessagePolicy] === 'FallbackToLogsOnError';
  if (told !== '' || !fallback || container.exitCode === 0) return told;
  const log = await readEnd(container.logPath, maxLogBytes * 4);
  const lines = log
    .split('\n')
    .filter((line) => line !== '')
    .slice(-maxLogLines);
  return lines.map(content).join('').slice(-maxLogBytes);
}

/** Without time, stream and tag; a line that the program did not end (`P`) is not ended here. */
function content(line: string): string {
  const [, tag, text] = /^\S+ (?:stdout|stderr) ([FP]) (.*)$/.exec(line) ?? [];
  return tag === 'P' ? text! : `${text ?? line}\n`;
}

async function readEnd(path: string, bytes: number): Promise<string> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    const length = Math.min(size, bytes);
    const buffer = Buffer.alloc(length);
    await file.read(buffer, 0, length, size - length);
    return buffer.toString();
  } catch {
    return '';
  }
}
