/** Clients that go on asking while something else happens, and check every answer. */
import { Agent, get } from 'node:http';

export interface Ask {
  path: string;
  /** What a right answer's body looks like. */
  answer: RegExp;
}

export interface Load extends AsyncDisposable {
  /** So many were answered rightly, by path. */
  readonly answered: Map<string, number>;
  /** What went wrong, with its time since the start. */
  readonly failures: string[];
  /** The different bodies of answers, by path. */
  readonly bodies: Map<string, Set<string>>;
  /** Every client finishes its last request. */
  stop(): Promise<void>;
}

/** Every second client keeps its connection; the others make one for each request. `pause`: between a client's requests, ms. */
export function startLoad(base: string, asks: readonly Ask[], { clients = 20, pause = 10 } = {}): Load {
  const answered = new Map<string, number>();
  const bodies = new Map<string, Set<string>>();
  const failures: string[] = [];
  const began = performance.now();
  let stopping = false;

  const once = async (agent: Agent, kept: boolean, { path, answer }: Ask) => {
    try {
      const { status, body } = await ask(new URL(path, base), agent);
      if (status !== 200 || !answer.test(body)) throw new Error(`${status} ${body.slice(0, 200)}`);
      answered.set(path, (answered.get(path) ?? 0) + 1);
      bodies.set(path, (bodies.get(path) ?? new Set()).add(body.trim()));
    } catch (error) {
      const at = Math.round(performance.now() - began);
      failures.push(`${at} ms, ${kept ? 'kept' : 'new'} connection, ${path}: ${(error as Error).message}`);
    }
  };
  const client = async (index: number) => {
    const kept = index % 2 === 0;
    const agent = new Agent({ keepAlive: kept, maxSockets: 1 });
    for (let turn = index; !stopping; turn++) {
      await once(agent, kept, asks[turn % asks.length]!);
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
    agent.destroy();
  };
  const all = Promise.all(Array.from({ length: clients }, (_, index) => client(index)));
  const stop = async () => {
    stopping = true;
    await all;
  };
  return { answered, failures, bodies, stop, [Symbol.asyncDispose]: stop };
}

export function ask(url: URL, agent?: Agent): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent, timeout: 5000 }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode!, body }));
      response.on('error', reject);
    });
    request.on('timeout', () => request.destroy(new Error('no answer within 5 s')));
    request.on('error', reject);
  });
}
