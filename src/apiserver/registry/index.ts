/**
 * The verbs over stored objects: create, get, list, watch, update, patch, delete, deletecollection. Everything that arrives here is authenticated
 * and authorised; everything that leaves is durable.
 */
export { answerOf, fieldManagerOf, type Answer, type PatchType, type Registry, type ResourceCall } from './context.ts';
export { create } from './create.ts';
export { answersItself, remove, removeCollection } from './delete.ts';
export { entryOf, get, list, type ListAnswer } from './read.ts';
export { selectionOf } from './selection.ts';
export { change, patch, requested, update } from './update.ts';
export { fromStored, isDirect } from './convert.ts';
export { firstAddress } from './services/cidr.ts';
export { type AddressPlace, nodePortKeys, ServiceRegistry, type ServiceRanges } from './services/index.ts';
export { frameOf, type Seen, type Watcher } from './channel.ts';
export { bookmarkOf, eventOf, type OpenWatch, watch } from './watch.ts';
