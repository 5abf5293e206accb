/**
 * A recorded cluster as the start of another: what `kubectl get -A -o yaml` prints is created again, through the API. Relations stay (owners,
 * and whatever else names a uid), status stays, pods stay on their nodes. Left out is what is of the moment, what its controller makes anew, and
 * what would call somebody outside; each with its reason.
 */
export { type Loaded, loadRecorded, type LoadOptions } from './load.ts';
