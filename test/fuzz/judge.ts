/** What an answer may be. */
import type { Answer } from './ask.ts';
import type { Asked } from './requests.ts';

/** What a webhook, a node or a Service that is not there brings about is not the server's own fault. */
const others = /failed calling webhook|conversion webhook|admission plugin/;

/** What is wrong with the answer; undefined: nothing. */
export function faultOf(asked: Asked, { status, text, type }: Answer): string | undefined {
  if (status === 0) return tooMuch(asked) ? undefined : 'the connection was closed without an answer';
  if (status === 500 && !others.test(text)) return `500: ${text.slice(0, 300)}`;
  if (status > 500 && ![501, 502, 503, 504].includes(status)) return `${status}: ${text.slice(0, 300)}`;
  if (status < 400 || asked.method === 'HEAD' || !/^\/apis?\//.test(asked.path) || /\/proxy\b/.test(asked.path))
    return undefined;
  if (!type.startsWith('application/json') || asked.upgrade) return undefined;
  let told: any;
  try {
    told = JSON.parse(text);
  } catch {
    return `${status} with a body that is no JSON: ${text.slice(0, 100)}`;
  }
  if (told.kind !== 'Status' || told.code !== status || told.status !== 'Failure' || typeof told.message !== 'string')
    return `${status} without a Status that says so: ${text.slice(0, 200)}`;
  return undefined;
}

/** Node's own parser may end what is no HTTP. */
function tooMuch({ body, upgrade, method, headers }: Asked): boolean {
  return upgrade || method === 'TRACE' || headers.expect !== undefined || (body?.bytes.length ?? 0) > 3_000_000;
}
