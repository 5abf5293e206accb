/**
 * Where each Service leads: its EndpointSlices, the older Endpoints, and Endpoints written by hand as EndpointSlices. A Service without a
 * selector is left to whoever writes its endpoints.
 */
export { endpointSliceController } from './endpointslice.ts';
export { endpointsController } from './endpoints.ts';
export { endpointSliceMirroring } from './mirroring.ts';
