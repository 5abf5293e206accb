/** What happens to a pod: it is bound, gets an address, its containers wait, run and end, it becomes ready. */
import type { AnyObject } from '../../machinery/index.ts';
import { conditionOf } from './conditions.ts';
import type { Fact } from './fact.ts';
import { shortened } from './words.ts';

export function podFacts(before: Partial<AnyObject>, after: AnyObject): Fact[] {
  const { spec = {}, status = {} } = after;
  const old = before.status ?? {};
  const facts: Fact[] = [];
  if (spec.nodeName && spec.nodeName !== before.spec?.nodeName)
    facts.push({ what: `bound to node ${spec.nodeName}`, ...(spec.schedulerName && { by: spec.schedulerName }) });
  const scheduled = conditionOf(status, 'PodScheduled');
  const told = conditionOf(old, 'PodScheduled');
  if (scheduled?.status === 'False' && scheduled.message !== told?.message)
    facts.push({ what: `not scheduled: ${shortened(scheduled.message ?? scheduled.reason ?? '', 200)}`, bad: true });
  if (status.podIP && status.podIP !== old.podIP) facts.push({ what: `has the address ${status.podIP}` });
  for (const list of ['initContainerStatuses', 'containerStatuses', 'ephemeralContainerStatuses'])
    for (const one of status[list] ?? [])
      facts.push(...containerFacts(old[list]?.find(({ name }: any) => name === one.name) ?? {}, one));
  const ready = conditionOf(status, 'Ready')?.status;
  const wasReady = conditionOf(old, 'Ready')?.status;
  if (ready === 'True' && wasReady !== 'True') facts.push({ what: 'ready' });
  const ends = status.phase === 'Succeeded' || status.phase === 'Failed';
  if (wasReady === 'True' && ready !== 'True' && !ends) facts.push({ what: 'no longer ready', bad: true });
  if (ends && old.phase !== status.phase) {
    const why = [status.reason, status.message].filter(Boolean).join(': ');
    facts.push({
      what: `${status.phase.toLowerCase()}${why && ` (${shortened(why, 160)})`}`,
      bad: status.phase === 'Failed',
    });
  }
  return facts;
}

/** What every container waits for at first. */
const usual = new Set(['ContainerCreating', 'PodInitializing']);

function containerFacts(before: any, { name, state = {}, restartCount = 0 }: any): Fact[] {
  const { waiting, running, terminated } = state;
  const old = before.state ?? {};
  if (running && running.startedAt !== old.running?.startedAt)
    return [{ what: `container ${name} runs${restartCount > 0 ? ` (start ${restartCount + 1})` : ''}` }];
  if (terminated && terminated.finishedAt !== old.terminated?.finishedAt) {
    const { exitCode, reason, message } = terminated;
    const why = [reason, message].filter(Boolean).join(': ');
    const what = `container ${name} ended with code ${exitCode}${why && ` (${shortened(why, 160)})`}`;
    return [{ what, bad: exitCode !== 0 }];
  }
  if (waiting?.reason && !usual.has(waiting.reason) && waiting.reason !== old.waiting?.reason)
    return [
      {
        what: `container ${name} waits: ${shortened([waiting.reason, waiting.message].filter(Boolean).join(': '), 200)}`,
        bad: true,
      },
    ];
  return [];
}
