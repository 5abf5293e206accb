import { type EndpointSlice, endpointSlices } from '../../api/index.ts';
import type { ReconcileContext } from '../../client/index.ts';
import { isStatusError } from '../../machinery/index.ts';
import { allOf } from '../allof.ts';
import { refOf } from '../claim.ts';
import type { Changes } from './slices.ts';

/** New ones first: an endpoint that moves from one slice to another is never missing. */
export async function writeSlices(changes: Changes, { client }: ReconcileContext): Promise<void> {
  await allOf(changes.create.map((slice) => client.create<EndpointSlice>(endpointSlices, slice).catch(ignoreEnding)));
  await allOf(changes.update.map((slice) => client.update<EndpointSlice>(endpointSlices, slice)));
  await allOf(
    changes.delete.map((slice) =>
      client.delete(endpointSlices, refOf(slice), { preconditions: { uid: slice.metadata.uid! } }).catch(ignoreGone),
    ),
  );
}

export function ignoreGone(error: unknown): void {
  if (!isStatusError(error, 'NotFound')) throw error;
}

/** Nothing is made in a namespace that is going away. */
export function ignoreEnding(error: unknown): void {
  const terminating =
    isStatusError(error, 'Forbidden') && error.details?.causes?.some(({ reason }) => reason === 'NamespaceTerminating');
  if (!terminating && !isStatusError(error, 'NotFound')) throw error;
}
