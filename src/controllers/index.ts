/**
 * The controllers: each brings the world closer to what one kind of object asks for, and speaks only the API. This list is what runs.
 */
import type { Controller } from '../client/index.ts';
import { namespaceController } from './namespace.ts';
import { nodeLifecycle } from './nodelifecycle.ts';
import { rootCAPublisher } from './rootcapublisher.ts';
import { serviceAccountController } from './serviceaccount.ts';

export interface ControllerOptions {
  /** PEM: what pods trust the API server by. */
  clusterCA: string;
}

export function controllers({ clusterCA }: ControllerOptions): Controller[] {
  return [namespaceController as Controller, serviceAccountController, rootCAPublisher(clusterCA), nodeLifecycle()];
}
