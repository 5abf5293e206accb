/** What a person did not ask rightly (exit code 2), or what went wrong with a known cause (exit code 1). */

export class UsageError extends Error {
  readonly exitCode: number = 2;
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

export class Failure extends Error {
  readonly exitCode: number = 1;
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'Failure';
  }
}

/** One sentence for a person, or the whole story for a fault of ours. */
export function told(error: unknown): { message: string; exitCode: number } {
  if (error instanceof UsageError || error instanceof Failure)
    return { message: error.message, exitCode: error.exitCode };
  if (error instanceof Error) {
    const known = error as NodeJS.ErrnoException;
    if (known.code === 'EADDRINUSE')
      return { message: `${known.message}: choose another port with --port, or 0 for any free one`, exitCode: 1 };
    return { message: error.message || String(error), exitCode: 1 };
  }
  return { message: String(error), exitCode: 1 };
}
