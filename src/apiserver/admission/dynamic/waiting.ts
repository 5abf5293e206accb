/**
 * Expressions are evaluated in one go, but what the user may do can take a question to somebody outside. Then the evaluation is given up, and begun
 * again once the answer is known: it leaves nothing behind.
 */
import type { Attributes, Decision } from '../../authz/index.ts';
import type { AdmissionRequest } from '../../registry/context.ts';

class Waiting extends Error {
  override readonly name = 'Waiting';
  readonly known: Promise<void>;

  constructor(known: Promise<void>) {
    super('the answer is not known yet');
    this.known = known;
  }
}

/** For as long as a request lasts: an answer holds for all of its expressions. */
const answers = new WeakMap<AdmissionRequest, Map<string, Decision>>();

/** To be called within `settled` only. */
export function decisionOf(request: AdmissionRequest, attributes: Attributes): Decision {
  const { user, ...asked } = attributes;
  const known = answers.get(request);
  const key = JSON.stringify([user.name, asked]);
  const answer = known?.get(key);
  if (answer !== undefined) return answer;
  const deciding = request.registry.authorize(attributes);
  if (!(deciding instanceof Promise)) return deciding;
  const all = known ?? new Map<string, Decision>();
  answers.set(request, all);
  throw new Waiting(deciding.then((decision) => void all.set(key, decision)));
}

/** What `evaluate` gives once everything is known that it asks. */
export async function settled<T>(evaluate: () => T | Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await evaluate();
    } catch (error) {
      if (!(error instanceof Waiting)) throw error;
      await error.known;
    }
  }
}
