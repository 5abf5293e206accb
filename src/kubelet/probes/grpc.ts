/** grpc.health.v1.Health/Check over plain HTTP/2. The two messages are small enough to be written by hand. */
import { connect } from 'node:http2';
import type { Outcome } from './outcome.ts';

const serving = 1;
const statusNames = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];

/** HealthCheckRequest{ service = 1 } in a gRPC frame: no compression, 4 bytes of length. */
function frame(service: string): Buffer {
  const name = Buffer.from(service);
  const length: number[] = [];
  for (let rest = name.length; ; rest >>>= 7) {
    length.push(rest > 127 ? (rest & 127) | 128 : rest);
    if (rest <= 127) break;
  }
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, ...length]), name]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** HealthCheckResponse{ status = 1 }; an empty message is 0. */
function statusOf(body: Buffer): number {
  return body.length >= 7 && body[5] === 0x08 ? (body[6] as number) : 0;
}

export function probeGrpc(host: string, port: number, service: string, signal: AbortSignal): Promise<Outcome> {
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return new Promise((resolve) => {
    const session = connect(`http://${address}`);
    const finish = (outcome: Outcome) => {
      signal.removeEventListener('abort', stop);
      session.destroy();
      resolve(outcome);
    };
    const failed = (why: string) => finish({ ok: false, output: why });
    const stop = () => failed(`timeout: failed to connect service "${address}" within the probe's timeout`);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) return stop();
    session.on('error', (error) => failed(`error: ${error.message}`));
    const stream = session.request({
      ':method': 'POST',
      ':path': '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      te: 'trailers',
      'user-agent': 'kube-probe/1.36',
    });
    const chunks: Buffer[] = [];
    let code = '';
    const note = (headers: Record<string, unknown>) => {
      code = String(headers['grpc-status'] ?? code);
    };
    stream.on('response', note);
    stream.on('trailers', note);
    stream.on('data', (chunk: Buffer) => {
      if (chunks.length < 16) chunks.push(chunk);
    });
    stream.on('error', (error) => failed(`error: ${error.message}`));
    stream.on('end', () => {
      if (code === '12')
        return failed(`error: this server does not implement the grpc health protocol (grpc.health.v1.Health)`);
      if (code !== '' && code !== '0') return failed(`error: health rpc probe failed with grpc status ${code}`);
      const status = statusOf(Buffer.concat(chunks));
      if (status === serving) return finish({ ok: true, output: '' });
      failed(`service unhealthy (responded with "${statusNames[status] ?? status}")`);
    });
    stream.end(frame(service));
  });
}
