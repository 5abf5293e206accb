/** Programs of the host. */
import { access, constants } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import { childEnvironment } from './command.ts';

/** The full path of a program on the PATH; undefined when there is none. */
export async function findProgram(name: string): Promise<string | undefined> {
  const candidates = isAbsolute(name)
    ? [name]
    : (childEnvironment()['PATH'] ?? '').split(delimiter).map((directory) => join(directory, name));
  for (const path of candidates) {
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return undefined;
}
