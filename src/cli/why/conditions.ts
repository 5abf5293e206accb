/** Which conditions are good news when they are true, and which are bad. */

const troubles = new Set([
  'ReplicaFailure',
  'Failed',
  'FailureTarget',
  'NetworkUnavailable',
  'MemoryPressure',
  'DiskPressure',
  'PIDPressure',
  'ScalingLimited',
]);

const wholesome = new Set([
  'Available',
  'Progressing',
  'Ready',
  'Established',
  'NamesAccepted',
  'ScalingActive',
  'AbleToScale',
]);

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
}

/** Undefined: it cannot be told. */
export function isWell({ type, status }: Condition): boolean | undefined {
  if (troubles.has(type)) return status !== 'True';
  return wholesome.has(type) ? status === 'True' : undefined;
}

/** `Available is False (MinimumReplicasUnavailable: …)`. */
export function wordsOf({ type, status, reason, message }: Condition): string {
  const why = [reason, message].filter(Boolean).join(': ');
  return `${type} is ${status}${why && ` (${why})`}`;
}

export function conditionOf(status: any, type: string): Condition | undefined {
  return status?.conditions?.find((one: Condition) => one.type === type);
}
