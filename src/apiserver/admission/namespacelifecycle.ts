import { StatusError } from '../../machinery/index.ts';
import type { AdmissionStep } from '../registry/context.ts';
import { lookup } from './lookup.ts';

const namespaces = { group: '', version: 'v1', resource: 'namespaces' };
const immortal = new Set(['default', 'kube-system', 'kube-public', 'kube-node-lease']);
/** Access reviews may speak of namespaces that do not exist. */
const anywhere = new Set(['authorization.k8s.io']);

/** Nothing is created where there is no namespace, or where it is going away; the namespaces that every cluster has stay. */
export const namespaceLifecycle: AdmissionStep = {
  name: 'NamespaceLifecycle',
  operations: ['CREATE', 'DELETE'],
  async admit({ registry, call, operation }) {
    const { kind } = call.served;
    if (operation === 'DELETE') {
      if (kind.group === '' && kind.resource === 'namespaces' && immortal.has(call.name))
        throw StatusError.forbidden(kind, call.name, 'this namespace may not be deleted');
      return;
    }
    if (!kind.namespaced || anywhere.has(kind.group)) return;
    const namespace = await lookup(registry, namespaces, '', call.namespace);
    if (namespace === undefined) throw StatusError.notFound(namespaces, call.namespace);
    if (namespace.metadata.deletionTimestamp === undefined) return;
    throw new StatusError(
      'Forbidden',
      StatusError.forbidden(
        kind,
        call.name,
        `unable to create new content in namespace ${call.namespace} because it is being terminated`,
      ).message,
      {
        name: call.name,
        group: kind.group,
        kind: kind.resource,
        causes: [
          {
            reason: 'NamespaceTerminating',
            message: `namespace ${call.namespace} is being terminated`,
            field: 'metadata.namespace',
          },
        ],
      },
    );
  },
};
