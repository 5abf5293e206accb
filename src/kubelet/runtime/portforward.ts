/** A connection to a port inside a network namespace. Its loopback is reached by a child process that steps inside. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { type Socket, connect } from 'node:net';
import { Duplex } from 'node:stream';
import type { Clock } from '../../machinery/index.ts';
import { childEnvironment } from './command.ts';
import { RuntimeError } from './runtime.ts';

const connectTimeout = 10_000;

/** Runs inside: says `+` once connected, or `-` and why not; then only carries bytes. */
const carrier = `const s=require('net').connect({port:+process.argv[1],host:'localhost',allowHalfOpen:true});
s.on('connect',()=>{process.stdout.write('+');process.stdin.pipe(s);s.pipe(process.stdout)});
s.on('error',e=>{process.stderr.write(e.message,()=>process.exit(1))});
process.stdout.on('error',()=>process.exit(0));process.stdin.on('error',()=>process.exit(0));`;

/** Rejects with `RunContainerError` when nothing listens. */
export async function connectInNamespace(netns: string, port: number, clock: Clock): Promise<Duplex> {
  const argv = [`--net=${netns}`, '--', process.execPath, '--max-old-space-size=32', '-e', carrier, String(port)];
  const child = spawn('nsenter', argv, { stdio: ['pipe', 'pipe', 'pipe'], env: childEnvironment() });
  let why = '';
  child.stderr.on('data', (chunk: Buffer) => (why += chunk.toString().slice(0, 1000)));
  child.stdin.on('error', () => undefined);
  await new Promise<void>((resolve, reject) => {
    const timer = clock.after(connectTimeout, () => fail(`no answer within ${connectTimeout} ms`));
    const fail = (reason: string) => {
      timer.cancel();
      child.kill('SIGKILL');
      reject(refused(port, reason));
    };
    child.on('error', (error) => fail(error.message));
    child.on('exit', () => fail(why || 'the carrier ended'));
    child.stdout.once('readable', () => {
      const first = child.stdout.read(1) as Buffer | null;
      if (first?.toString() !== '+') return;
      child.removeAllListeners('exit');
      timer.cancel();
      resolve();
    });
  });
  return carried(child);
}

function carried(child: ChildProcessWithoutNullStreams): Duplex {
  const { stdin, stdout } = child;
  const stream = new Duplex({
    allowHalfOpen: true,
    read: () => void stdout.resume(),
    write: (chunk, _, done) => void stdin.write(chunk, done),
    final: (done) => void stdin.end(done),
    destroy(error, done) {
      child.kill('SIGKILL');
      done(error);
    },
  });
  stdout.on('data', (chunk) => void (stream.push(chunk) || stdout.pause()));
  stdout.on('end', () => stream.push(null));
  stdin.on('error', () => stream.destroy());
  child.on('exit', () => stdin.destroy());
  return stream;
}

/** Rejects with `RunContainerError` when nothing listens. */
export function connectTo(host: string, port: number, clock: Clock, timeout = connectTimeout): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, allowHalfOpen: true });
    const timer = clock.after(timeout, () => socket.destroy(new Error(`no answer within ${timeout} ms`)));
    socket.once('connect', () => {
      timer.cancel();
      socket.off('error', fail);
      resolve(socket);
    });
    const fail = (error: Error) => {
      timer.cancel();
      reject(refused(port, error.message));
    };
    socket.once('error', fail);
  });
}

function refused(port: number, why: string): RuntimeError {
  return new RuntimeError('RunContainerError', `failed to connect to port ${port} inside the pod: ${why.trim()}`);
}
