/** An HTTP or HTTPS GET: any answer from 200 to 399 is good; redirects are followed on the same host. */
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Outcome } from './outcome.ts';

export interface HttpTarget {
  scheme: 'http' | 'https';
  host: string;
  port: number;
  path: string;
  headers: { name: string; value: string }[];
}

const maxBody = 10 * 1024;
const maxRedirects = 10;

export async function probeHttp(
  target: HttpTarget,
  signal: AbortSignal,
  userAgent = 'kube-probe/1.36',
): Promise<Outcome> {
  const host = target.host.includes(':') ? `[${target.host}]` : target.host;
  let url = new URL(
    target.path.startsWith('/') ? target.path : `/${target.path}`,
    `${target.scheme}://${host}:${target.port}`,
  );
  for (let hops = 0; hops <= maxRedirects; hops++) {
    const answer = await get(url, target.headers, signal, userAgent).catch((error: Error) => error);
    if (answer instanceof Error) return { ok: false, output: `Get "${url}": ${explain(answer, url, signal)}` };
    const { status, location } = answer;
    const next = status >= 301 && status <= 308 && location ? new URL(location, url) : undefined;
    if (next && next.hostname === url.hostname && /^https?:$/.test(next.protocol)) {
      url = next;
      continue;
    }
    if (status >= 200 && status < 400) return { ok: true, output: '' };
    return { ok: false, output: `HTTP probe failed with statuscode: ${status}` };
  }
  return { ok: false, output: `Get "${url}": stopped after ${maxRedirects} redirects` };
}

function get(
  url: URL,
  extra: { name: string; value: string }[],
  signal: AbortSignal,
  userAgent: string,
): Promise<{ status: number; location: string | undefined }> {
  const headers: Record<string, string | string[]> = { 'user-agent': userAgent, accept: '*/*', connection: 'close' };
  for (const { name, value } of extra) {
    const key = name.toLowerCase();
    if (value === '' && (key === 'user-agent' || key === 'accept')) delete headers[key];
    else headers[key] = value;
  }
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    // A probe asks whether the server answers, not who it is: certificates are not verified, as upstream.
    const request = send(url, { agent: false, headers, signal, rejectUnauthorized: false }, (response) => {
      let size = 0;
      const done = () => resolve({ status: response.statusCode ?? 0, location: response.headers.location });
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > maxBody) {
          done();
          response.destroy();
        }
      });
      response.on('end', done);
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end();
  });
}

function explain(error: Error & { code?: string }, url: URL, signal: AbortSignal): string {
  if (signal.aborted) return 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)';
  if (error.code === 'ECONNREFUSED') return `dial tcp ${url.host}: connect: connection refused`;
  return error.code === 'ECONNRESET' ? 'read: connection reset by peer' : error.message;
}
