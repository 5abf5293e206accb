import type { IncomingMessage } from 'node:http';
import type { AnyObject, KubeList, Resource, Status, StatusReason, WatchEvent } from '../../machinery/index.ts';
import { StatusError, statusCodes } from '../../machinery/index.ts';
import type { Client, DeleteOptions, Patch, WatchOptions } from '../client.ts';
import { linesOf } from './lines.ts';
import { listQuery, pathOf, writeQuery } from './paths.ts';
import { ConnectionError, type ServerOptions, Transport, type TransportRequest } from './transport.ts';

export interface HttpsClient extends Client {
  /** Any request at all, for what is not an object: logs, discovery, metrics. Rejects with a `StatusError` unless it succeeds. */
  send(request: TransportRequest): Promise<IncomingMessage>;
  /** Closes the connections; what is under way breaks off. */
  close(): void;
}

const patchTypes: Record<Patch['type'], string> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
};

/** Reads and writes over HTTPS, of this or any other conformant server. Rejects with `ConnectionError` when there is no answer. */
export function httpsClient(options: ServerOptions): HttpsClient {
  const transport = new Transport(options);
  const send = (request: TransportRequest) => sendPatiently(transport, request, options);
  const ask = async (request: TransportRequest) => {
    const body = await transport.read(await send(request));
    return parse(body, options.server);
  };
  const write = (method: string, path: string, body: unknown, more: Partial<TransportRequest> = {}) =>
    ask({ method, path, body: JSON.stringify(body), ...more });

  return {
    send,
    close: () => transport.close(),
    get: async (resource, ref, { subresource, signal } = {}) =>
      ask({ method: 'GET', path: pathOf(resource, ref, subresource), signal }),
    list: async (resource, options = {}) => {
      const { namespace, signal } = options;
      return complete(
        await ask({ method: 'GET', path: pathOf(resource, { namespace }) + listQuery(options), signal }),
        resource,
      );
    },
    watch: (resource, watching = {}) => watch(send, options, resource, watching),
    create: async (resource, object, options = {}) => {
      const { namespace, name } = object.metadata;
      const of = options.subresource ? { namespace, name: name ?? '' } : { namespace };
      return write('POST', pathOf(resource, of, options.subresource) + writeQuery(options), object, options);
    },
    update: async (resource, object, options = {}) => {
      const path = pathOf(resource, { name: '', ...object.metadata }, options.subresource);
      return write('PUT', path + writeQuery(options), object, { signal: options.signal });
    },
    patch: async (resource, ref, patch, options = {}) => {
      const body = patch.type === 'json' ? patch.operations : patch.body;
      const path = pathOf(resource, ref, options.subresource) + writeQuery(options);
      return write('PATCH', path, body, { contentType: patchTypes[patch.type], signal: options.signal });
    },
    apply: async (resource, object, options) => {
      const path =
        pathOf(resource, { name: '', ...object.metadata }, options.subresource) + writeQuery(options, options.force);
      return write('PATCH', path, object, { contentType: 'application/apply-patch+yaml', signal: options.signal });
    },
    delete: async (resource, ref, options = {}) =>
      write('DELETE', pathOf(resource, ref), deleteBody(options), { signal: options.signal }),
    deleteCollection: async (resource, selection, options = {}) => {
      const path = pathOf(resource, { namespace: selection.namespace }) + listQuery(selection);
      await write('DELETE', path, deleteBody(options), { signal: options.signal });
    },
  };
}

/** A server that asks for patience gets it, a few times. */
async function sendPatiently(transport: Transport, request: TransportRequest, { clock, server }: ServerOptions) {
  for (let attempt = 1; ; attempt++) {
    const message = await transport.send(request);
    const { statusCode = 0 } = message;
    if (statusCode >= 200 && statusCode < 300) return message;
    const body = await transport.read(message, 1 << 20);
    const wait = Number(message.headers['retry-after']);
    if (statusCode !== 429 || !(wait >= 0) || attempt === 5) throw errorOf(statusCode, body, server);
    await clock.sleep(Math.min(wait, 60) * 1_000, request.signal);
  }
}

async function* watch<T>(
  send: (request: TransportRequest) => Promise<IncomingMessage>,
  { clock, server }: ServerOptions,
  resource: Resource<T>,
  options: WatchOptions,
): AsyncGenerator<WatchEvent<T>> {
  const { namespace, signal, timeoutSeconds } = options;
  let message: IncomingMessage | undefined;
  // The server ends it at that time; one that does not is not there any more.
  const late = () => message?.destroy(new Error(`the watch did not end after ${timeoutSeconds} s`));
  const timer = timeoutSeconds === undefined ? undefined : clock.after((timeoutSeconds + 30) * 1_000, late);
  try {
    message = await send({
      method: 'GET',
      path: pathOf(resource, { namespace }) + listQuery(options, true),
      signal,
      endless: true,
    });
    for await (const line of linesOf(message)) {
      const { type, object } = JSON.parse(line);
      if (type === 'ERROR') throw StatusError.fromStatus(object);
      yield { type, object };
    }
  } catch (error) {
    if (signal?.aborted) return;
    throw error instanceof StatusError || error instanceof ConnectionError ? error : new ConnectionError(server, error);
  } finally {
    timer?.cancel();
    message?.destroy();
  }
}

function deleteBody({ gracePeriodSeconds, propagationPolicy, preconditions, dryRun }: DeleteOptions) {
  const options = { gracePeriodSeconds, propagationPolicy, preconditions, ...(dryRun && { dryRun: ['All'] }) };
  return { kind: 'DeleteOptions', apiVersion: 'v1', ...options };
}

/** Items of a list come without the kind that they all share. */
function complete<T>(list: KubeList<T>, { kind }: Resource<T>): KubeList<T> {
  list.items ??= [];
  for (const item of list.items as AnyObject[]) {
    item.kind ??= kind;
    item.apiVersion ??= list.apiVersion;
  }
  return list;
}

function parse(body: Buffer, server: string): any {
  if (body.length === 0) return undefined;
  try {
    return JSON.parse(body.toString());
  } catch (error) {
    throw new ConnectionError(server, error);
  }
}

function errorOf(code: number, body: Buffer, server: string): StatusError {
  const text = body.toString();
  try {
    const status = JSON.parse(text) as Status;
    if (status.kind === 'Status') return StatusError.fromStatus({ ...status, code: status.code ?? code });
  } catch {
    // Not from an API server's own hand: a proxy's page, or plain text.
  }
  const reason = (Object.keys(statusCodes) as StatusReason[]).find((each) => statusCodes[each] === code) ?? '';
  const excerpt = text.trim().slice(0, 200);
  return new StatusError(reason, `${server} answered with status ${code}${excerpt && `: ${excerpt}`}`, undefined, {
    code,
  });
}
