/**
 * What is done to and asked of an object between its arrival and its storing, beyond its kind's own rules. The order is this list: first all that
 * change, then all that only refuse.
 */
import type { Admission, AdmissionRequest, AdmissionStep } from '../registry/context.ts';
import { defaultTolerationSeconds } from './defaulttolerationseconds.ts';
import { namespaceLifecycle } from './namespacelifecycle.ts';
import { priority } from './priority.ts';
import { runtimeClass } from './runtimeclass.ts';
import { serviceAccount } from './serviceaccount.ts';
import { storageClass } from './storageclass.ts';
import { taintNodes } from './taintnodes.ts';
import { rbacEscalation } from './rbacescalation.ts';

export const steps: readonly AdmissionStep[] = [
  namespaceLifecycle,
  serviceAccount,
  taintNodes,
  priority,
  defaultTolerationSeconds,
  runtimeClass,
  storageClass,
  rbacEscalation,
];

/** The steps in order; for each resource and operation, only those that look at it. */
export function admissionOf(list: readonly AdmissionStep[]): Admission {
  const chosen = new Map<string, readonly AdmissionStep[]>();
  const stepsFor = ({ call, operation }: AdmissionRequest): readonly AdmissionStep[] => {
    const { kind } = call.served;
    const key = `${operation} ${kind.group}/${kind.resource}`;
    let found = chosen.get(key);
    if (found === undefined) {
      const resource = `${kind.group}/${kind.resource}`;
      found = list.filter(
        (step) => step.operations.includes(operation) && (step.resources?.includes(resource) ?? true),
      );
      chosen.set(key, found);
    }
    return found;
  };
  return {
    admit: async (request) => {
      for (const step of stepsFor(request)) if (step.admit) await step.admit(request);
    },
    validate: async (request) => {
      for (const step of stepsFor(request)) if (step.validate) await step.validate(request);
    },
  };
}

export type { Admission, AdmissionRequest, AdmissionStep };
