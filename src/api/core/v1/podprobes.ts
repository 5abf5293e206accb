/** Rules for a container's probes and hooks. */
import { cause, portNameProblems, type StatusCause } from '../../../machinery/index.ts';
import type { Container, Probe } from '../../gen/types.ts';
import { nonNegative, oneOf, port, positive, required, within } from '../../rules.ts';

export function validateProbes(container: Container, at: string): StatusCause[] {
  const { livenessProbe, readinessProbe, startupProbe, lifecycle } = container;
  const causes = [
    ...validateProbe(livenessProbe, `${at}.livenessProbe`),
    ...validateProbe(readinessProbe, `${at}.readinessProbe`),
    ...validateProbe(startupProbe, `${at}.startupProbe`),
  ];
  for (const [name, probe] of [
    ['livenessProbe', livenessProbe],
    ['startupProbe', startupProbe],
  ] as const)
    if (probe && probe.successThreshold !== 1)
      causes.push(cause.invalid(`${at}.${name}.successThreshold`, probe.successThreshold, 'must be 1'));
  if (readinessProbe?.terminationGracePeriodSeconds !== undefined)
    causes.push(
      cause.invalid(
        `${at}.readinessProbe.terminationGracePeriodSeconds`,
        readinessProbe.terminationGracePeriodSeconds,
        'must not be set for readinessProbes',
      ),
    );
  for (const name of ['postStart', 'preStop'] as const)
    if (lifecycle?.[name]) causes.push(...validateAction(lifecycle[name], `${at}.lifecycle.${name}`));
  return causes;
}

function validateProbe(probe: Probe | undefined, at: string): StatusCause[] {
  if (!probe) return [];
  const { initialDelaySeconds, timeoutSeconds, periodSeconds, successThreshold, failureThreshold } = probe;
  return [
    ...validateAction(probe, at),
    ...nonNegative(`${at}.initialDelaySeconds`, initialDelaySeconds),
    ...nonNegative(`${at}.timeoutSeconds`, timeoutSeconds),
    ...nonNegative(`${at}.periodSeconds`, periodSeconds),
    ...nonNegative(`${at}.successThreshold`, successThreshold),
    ...nonNegative(`${at}.failureThreshold`, failureThreshold),
    ...positive(`${at}.terminationGracePeriodSeconds`, probe.terminationGracePeriodSeconds),
  ];
}

const actionNames = ['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'] as const;

function validateAction(action: Record<string, any>, at: string): StatusCause[] {
  const given = actionNames.filter((name) => action[name] !== undefined);
  if (given.length === 0) return [cause.required(at, 'must specify a handler type')];
  const causes = given
    .slice(1)
    .map((name) => cause.forbidden(`${at}.${name}`, 'may not specify more than 1 handler type'));
  const name = given[0]!;
  const { [name]: details } = action;
  if (name === 'exec' && !(details.command?.length > 0)) causes.push(cause.required(`${at}.exec.command`));
  if (name === 'httpGet') {
    causes.push(...required(`${at}.httpGet.path`, details.path), ...portOrName(`${at}.httpGet.port`, details.port));
    causes.push(...oneOf(`${at}.httpGet.scheme`, details.scheme, ['HTTP', 'HTTPS']));
  }
  if (name === 'tcpSocket') causes.push(...portOrName(`${at}.tcpSocket.port`, details.port));
  if (name === 'grpc') causes.push(...port(`${at}.grpc.port`, details.port));
  return causes;
}

function portOrName(at: string, value: number | string | undefined): StatusCause[] {
  if (typeof value === 'string') return portNameProblems(value).map((problem) => cause.invalid(at, value, problem));
  return within(at, value ?? 0, 1, 65535);
}
