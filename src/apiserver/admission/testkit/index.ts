/** For tests: somebody who answers AdmissionReviews over HTTPS on loopback. */
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createAuthority, issue } from '../../index.ts';

export interface Review {
  uid: string;
  operation: string;
  resource: { group: string; version: string; resource: string };
  subResource?: string;
  name?: string;
  namespace?: string;
  object: any;
  oldObject: any;
  [field: string]: any;
}

export interface Responder extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Base64 of PEM. */
  readonly caBundle: string;
  /** All questions so far. */
  readonly asked: Review[];
  /** How many connections were opened. */
  readonly connections: number;
  /** What it says to each from now on; a promise that never resolves leaves it without an answer. */
  answer(with_: (review: Review) => object | Promise<object>): void;
}

/** Allows everything until told otherwise. */
export async function startResponder(hosts: string[] = ['127.0.0.1']): Promise<Responder> {
  const now = Date.now();
  const authority = createAuthority('responder-ca', now);
  const { certificate, key } = issue(authority, {
    commonName: 'responder',
    hosts,
    uses: ['server'],
    notBefore: now - 3600_000,
    notAfter: now + 3600_000,
  });
  const asked: Review[] = [];
  let respond: (review: Review) => object | Promise<object> = () => ({ allowed: true });
  let connections = 0;
  const server = createServer({ cert: certificate, key }, async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const question = JSON.parse(Buffer.concat(parts).toString());
    asked.push(question.request);
    const answer = await respond(question.request);
    const { apiVersion, kind } = question;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ apiVersion, kind, response: { uid: question.request.uid, ...answer } }));
  });
  server.on('secureConnection', () => connections++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `https://127.0.0.1:${port}/`,
    port,
    caBundle: Buffer.from(authority.certificate).toString('base64'),
    asked,
    get connections() {
      return connections;
    },
    answer: (with_) => {
      respond = with_;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** An answer that changes the object. */
export function patching(...operations: object[]): object {
  return {
    allowed: true,
    patchType: 'JSONPatch',
    patch: Buffer.from(JSON.stringify(operations)).toString('base64'),
  };
}
