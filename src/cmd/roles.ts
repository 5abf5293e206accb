/** What the parts of the platform may do beyond upstream's default roles; nothing more than they need. */
import { type ClusterRole, type ClusterRoleBinding, clusterRoleBindings, clusterRoles } from '../api/index.ts';
import type { Client } from '../client/index.ts';
import { isStatusError } from '../machinery/index.ts';

const group = 'rbac.authorization.k8s.io';

const network: ClusterRole = {
  apiVersion: `${group}/v1`,
  kind: 'ClusterRole',
  metadata: { name: 'system:glasshouse:network' },
  rules: [
    {
      apiGroups: [''],
      resources: ['services', 'endpoints', 'pods', 'nodes', 'namespaces'],
      verbs: ['get', 'list', 'watch'],
    },
    { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['get', 'list', 'watch'] },
    { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch', 'update'] },
    {
      apiGroups: [''],
      resources: ['services', 'endpoints'],
      resourceNames: ['kube-dns'],
      verbs: ['update', 'patch'],
    },
    { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['create', 'patch'] },
    { apiGroups: [''], resources: ['services', 'endpoints'], verbs: ['create'] },
  ],
};

const bindings: ClusterRoleBinding[] = [
  bindingOf('system:glasshouse:network', 'system:glasshouse:network', {
    kind: 'User',
    name: 'system:glasshouse:network',
  }),
];

function bindingOf(name: string, role: string, subject: { kind: string; name: string }): ClusterRoleBinding {
  return {
    apiVersion: `${group}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: group, kind: 'ClusterRole', name: role },
    subjects: [{ ...subject, apiGroup: group }],
  };
}

export async function ensureRoles(client: Client): Promise<void> {
  const create = async (made: Promise<unknown>) => {
    try {
      await made;
    } catch (error) {
      if (!isStatusError(error, 'AlreadyExists')) throw error;
    }
  };
  await Promise.all([
    create(client.create(clusterRoles, network)),
    ...bindings.map((binding) => create(client.create(clusterRoleBindings, binding))),
    // from before nodes were told apart
    client.delete(clusterRoleBindings, { name: 'system:glasshouse:nodes' }).catch(gone),
  ]);
}

function gone(error: unknown): void {
  if (!isStatusError(error, 'NotFound')) throw error;
}
