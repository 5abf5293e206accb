/** What only one process may do at a time, where several share a store: whoever holds the lease does it, the others stand by. */
import { hostname } from 'node:os';
import { type Client, type Log, runLeaderElection } from '../client/index.ts';
import type { Clock, Random } from '../machinery/index.ts';

export interface LeadingOptions {
  /** Absent: nobody else is there, and no lease is needed. */
  readonly election?: { readonly client: Client; readonly lease: string };
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** `work` begins with every term of leading; what it returns ends once its signal was aborted. */
export function whileLeading(options: LeadingOptions, work: (signal: AbortSignal) => Promise<void>): void {
  const { election, clock, random, log, signal } = options;
  const failed = (err: unknown) => log.error({ err, lease: election?.lease }, 'what the leader does has failed');
  if (election === undefined) return void work(signal).catch(failed);
  const identity = `${hostname()}_${random.uuid()}`;
  const lease = { namespace: 'kube-system', name: election.lease };
  void (async () => {
    while (!signal.aborted)
      await runLeaderElection({
        client: election.client,
        clock,
        random,
        signal,
        lease,
        identity,
        log,
        onStartedLeading: (term) => work(AbortSignal.any([signal, term])),
      });
  })().catch(failed);
}
