/**
 * What holds a container while we may come and go: it waits for the program's end and keeps its exit code, and takes its
 * output. Two kinds: conmon, where it is installed, and a few lines of sh that are always there.
 */

export interface HeldContainer {
  id: string;
  /** Its folder: the holder's own files live here. */
  directory: string;
  logPath: string;
  /** Holds `<id>`, with the exit code in decimal, once it has ended. */
  exitDirectory: string;
  stdin: boolean;
  tty: boolean;
}

export interface Holder {
  readonly name: 'conmon' | 'sh';
  /** Resolves with the program's process id once it was started; rejects with a sentence on why it cannot be. */
  start(container: HeldContainer): Promise<number>;
}

export const files = {
  pid: 'pid',
  holder: 'holder.pid',
  stdin: 'stdin',
  stdinKeeper: 'stdin.pid',
  stdout: 'stdout',
  stderr: 'stderr',
  offsets: 'offsets',
  runtimeLog: 'runtime.log',
} as const;
