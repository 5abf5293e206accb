/** What an evaluation ends in when it has no value. Not Errors: they carry no stack, since expressions make many and keep few. */

/** An error of the language: `&&`, `||`, `all` and `exists` may absorb it. */
export class EvaluationError {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

/** The evaluation was stopped, and nothing absorbs it. */
export class BudgetExceeded {
  readonly message = 'operation cancelled: actual cost limit exceeded';
}

export function fail(message: string): never {
  throw new EvaluationError(message);
}
