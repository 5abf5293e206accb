/** The list of what the kinds' own files add to the generated facts, by `group/version/Kind`. */
import { componentStatus } from './core/v1/componentstatus.ts';
import { configMap } from './core/v1/configmap.ts';
import { endpoints } from './core/v1/endpoints.ts';
import { event } from './core/v1/event.ts';
import { limitRange } from './core/v1/limitrange.ts';
import { namespace } from './core/v1/namespace.ts';
import { node } from './core/v1/node.ts';
import { persistentVolume } from './core/v1/persistentvolume.ts';
import { persistentVolumeClaim } from './core/v1/persistentvolumeclaim.ts';
import { pod } from './core/v1/pod.ts';
import { podTemplate } from './core/v1/podtemplate.ts';
import { replicationController } from './core/v1/replicationcontroller.ts';
import { resourceQuota } from './core/v1/resourcequota.ts';
import { secret } from './core/v1/secret.ts';
import { service } from './core/v1/service.ts';
import { serviceAccount } from './core/v1/serviceaccount.ts';
import type { Override } from './override.ts';

export const overrides: Readonly<Record<string, Override>> = {
  '/v1/ComponentStatus': componentStatus,
  '/v1/ConfigMap': configMap,
  '/v1/Endpoints': endpoints,
  '/v1/Event': event,
  '/v1/LimitRange': limitRange,
  '/v1/Namespace': namespace,
  '/v1/Node': node,
  '/v1/PersistentVolume': persistentVolume,
  '/v1/PersistentVolumeClaim': persistentVolumeClaim,
  '/v1/Pod': pod,
  '/v1/PodTemplate': podTemplate,
  '/v1/ReplicationController': replicationController,
  '/v1/ResourceQuota': resourceQuota,
  '/v1/Secret': secret,
  '/v1/Service': service,
  '/v1/ServiceAccount': serviceAccount,
};
