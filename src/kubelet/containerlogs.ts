/** What `kubectl logs` asks for, from the query of `/containerLogs`. */
import { StatusError } from '../machinery/index.ts';
import type { LogOptions } from './runtime/logs.ts';

export interface LogQuery extends LogOptions {
  /** Of the container before this one. */
  previous: boolean;
}

const streams: Record<string, LogOptions['stream']> = { All: undefined, Stdout: 'stdout', Stderr: 'stderr' };

/** Throws `BadRequest`, naming the parameter. */
export function parseLogQuery(query: URLSearchParams, now: number): LogQuery {
  const flag = (name: string) => ['1', 'true'].includes(query.get(name) ?? '');
  const whole = (name: string, least: number) => {
    const text = query.get(name);
    if (text === null || text === '') return undefined;
    const value = Number(text);
    if (!Number.isInteger(value) || value < least)
      throw StatusError.badRequest(`${name}: "${text}" must be a whole number of at least ${least}`);
    return value;
  };
  const seconds = whole('sinceSeconds', 1);
  const time = query.get('sinceTime');
  const since = time ? Date.parse(time) : seconds === undefined ? undefined : now - seconds * 1000;
  if (Number.isNaN(since)) throw StatusError.badRequest(`sinceTime: "${time}" is not an RFC 3339 time`);
  const stream = query.get('stream') || 'All';
  if (!Object.hasOwn(streams, stream))
    throw StatusError.badRequest(`stream: "${stream}" must be All, Stdout or Stderr`);
  return {
    follow: flag('follow'),
    timestamps: flag('timestamps'),
    previous: flag('previous'),
    tailLines: whole('tailLines', 0),
    since,
    limitBytes: whole('limitBytes', 1),
    stream: streams[stream],
  };
}
