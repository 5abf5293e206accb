/** Sends a request over HTTPS, or hands it to the server in the same process. Every answer has a deadline. */
import { type Agent, request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { parseBody } from '../../src/apiserver/body.ts';
import type { LocalServer } from '../../src/apiserver/local.ts';
import { optionsFromQuery, type RequestOptions } from '../../src/apiserver/request.ts';
import { type Clock, StatusError } from '../../src/machinery/index.ts';
import type { Asked } from './requests.ts';

export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly type: string;
}

/** Milliseconds; a read at a revision to come is given three seconds by the server itself. */
const deadline = 10_000;
/** A watch, or a log that is followed, is left after so much. */
const patience = 20;

export interface To {
  readonly tls: { host: string; port: number; ca: string; cert: string; key: string; agent: Agent };
  readonly clock: Clock;
}

/** Rejects when there is no answer in time. A connection that the server closes without one has the status 0. */
export function ask(asked: Asked, to: To): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { method, path, headers, body, upgrade } = asked;
    const late = to.clock.after(deadline, () => {
      sent.destroy();
      reject(new Error(`no answer within ${deadline} ms`));
    });
    const done = (answer: Answer) => {
      late.cancel();
      resolve(answer);
    };
    const length: Record<string, string | number> = body === undefined ? {} : { 'content-length': body.bytes.length };
    const agent = upgrade ? false : to.tls.agent;
    const sent = request({ ...to.tls, agent, method, path, headers: { ...headers, ...length } } as never);
    sent.on('response', (response: IncomingMessage) => {
      const parts: Buffer[] = [];
      const answer = (): Answer => ({
        status: response.statusCode!,
        text: Buffer.concat(parts).toString(),
        type: String(response.headers['content-type'] ?? ''),
      });
      const leave = to.clock.after(endless(asked) ? patience : deadline, () => {
        if (!endless(asked)) return;
        done(answer());
        sent.destroy();
      });
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('close', () => {
        leave.cancel();
        done(answer());
      });
    });
    sent.on('upgrade', (response: IncomingMessage, socket: Duplex) => {
      socket.destroy();
      done({ status: response.statusCode!, text: '', type: '' });
    });
    sent.on('error', () => done({ status: 0, text: '', type: '' }));
    sent.end(body?.bytes);
  });
}

function endless({ path }: Asked): boolean {
  return /[?&](watch|follow)=|\/watch\//.test(path);
}

const verbs: Record<string, string> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete', GET: 'get' };

/** The same as a call. What the process itself would not write (bytes that are no object) is not asked: undefined. */
export async function call(asked: Asked, server: LocalServer): Promise<Answer | undefined> {
  const verb = verbs[asked.method];
  if (verb === undefined) return undefined;
  const { kind, namespace, name, subresource } = asked;
  let body: unknown;
  let options: RequestOptions;
  const type = asked.body?.type ?? '';
  try {
    options = optionsFromQuery(new URLSearchParams(asked.path.split('?')[1] ?? ''));
    body = asked.body && parseBody(asked.body.bytes, type, verb === 'patch');
  } catch (error) {
    if (error instanceof StatusError) return undefined;
    throw error;
  }
  const patchType = /apply/.test(type)
    ? 'apply'
    : /strategic/.test(type)
      ? 'strategic'
      : /merge/.test(type)
        ? 'merge'
        : 'json';
  if (verb === 'patch' && body === undefined) return undefined;
  try {
    const target = {
      resource: kind,
      ...(kind.namespaced && { namespace }),
      ...(verb !== 'create' && { name }),
      subresource,
    };
    await server.call({ verb, ...target, options, body, ...(verb === 'patch' && { patchType }) });
    return { status: 200, text: '', type: '' };
  } catch (error) {
    if (error instanceof StatusError) return { status: error.code, text: error.message, type: '' };
    throw error;
  }
}
