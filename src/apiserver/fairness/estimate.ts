/** How many seats a request takes, as upstream reckons it: a list or the beginning of a watch by the bytes it has in hand, a write by who hears of it. */
import type { ResourceCache } from '../cache/index.ts';
import { isTrue, type RequestInfo } from '../request.ts';
import type { FlowCounts } from './counts.ts';
import type { Work } from './queueset.ts';
import type { Watchers } from './watchers.ts';

const bytesPerSeat = 100_000;
/** A list is answered piece by piece: more than this is never in hand. */
const mostInHand = 1_000_000;
const mostListSeats = 100;
const mostWriteSeats = 10;
const watchersPerSeat = 10;
/** Milliseconds that fanning out to so many watchers takes a seat. */
const fanOut = 5;

const one: Work = { initialSeats: 1, finalSeats: 0, additionalLatency: 0 };

export interface Estimating {
  readonly watchers: Watchers;
  /** What is stored of a resource; undefined: nothing, or it is not known yet. */
  cacheOf(info: RequestInfo): ResourceCache | undefined;
}

/** `mostSeats`: that a request of this level may take; 0: as many as it likes. */
export function estimate(
  { watchers, cacheOf }: Estimating,
  info: RequestInfo,
  query: () => URLSearchParams,
  mostSeats: number,
  counts: FlowCounts,
): Work {
  switch (info.isResource ? info.verb : '') {
    case 'list':
    case 'watch':
      return listWork(cacheOf, info, query(), Math.min(mostSeats || mostListSeats, mostListSeats));
    case 'create':
    case 'update':
    case 'patch':
    case 'delete': {
      // a token is nothing that anybody watches
      if (info.resource === 'serviceaccounts' && info.subresource === 'token') return one;
      const interested = watchers.interested(info);
      counts.watchers.observe(interested);
      return interested < watchersPerSeat ? one : fanOutWork(interested, mostSeats);
    }
    default:
      return one;
  }
}

function fanOutWork(interested: number, mostSeats: number): Work {
  const wanted = Math.ceil(interested / watchersPerSeat);
  const finalSeats = Math.min(wanted, mostSeats || mostWriteSeats, mostWriteSeats);
  return { initialSeats: 1, finalSeats, additionalLatency: (wanted * fanOut) / finalSeats };
}

function listWork(cacheOf: Estimating['cacheOf'], info: RequestInfo, query: URLSearchParams, mostSeats: number): Work {
  if (info.name !== '') return one;
  if (info.verb === 'watch') {
    const from = query.get('resourceVersion') ?? '';
    const begins = isTrue(query.get('sendInitialEvents')) || from === '' || from === '0';
    if (!begins) return one;
  }
  const cache = cacheOf(info);
  if (cache === undefined || cache.entries.size === 0) return one;
  const limit = Number(query.get('limit') ?? 0);
  const objects = limit > 0 ? Math.min(limit, cache.entries.size) : cache.entries.size;
  const bytes = Math.min(objects * averageSize(cache), mostInHand);
  const initialSeats = Math.max(1, Math.min(Math.ceil(bytes / bytesPerSeat), mostSeats));
  return initialSeats === 1 ? one : { ...one, initialSeats };
}

/** Of the first few: they are much alike. */
function averageSize({ entries }: ResourceCache): number {
  let sum = 0;
  let count = 0;
  for (const entry of entries.values()) {
    sum += entry.length;
    if (++count === 4) break;
  }
  return count === 0 ? 0 : sum / count;
}
