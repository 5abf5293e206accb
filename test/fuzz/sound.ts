/** Objects that are accepted as they are: what is broken in one place only gets past the first checks. */
const container = { name: 'c', image: 'i' };
const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [container] } };
const workload = { selector: { matchLabels: { a: 'b' } }, template };
const things = { plural: 'widgets', singular: 'widget', kind: 'Widget' };
const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] };
const rules = [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }];

export const sound: Readonly<Record<string, Record<string, unknown>>> = {
  configmaps: { data: { a: 'b' } },
  secrets: { stringData: { a: 'b' } },
  pods: { spec: { containers: [container], automountServiceAccountToken: false } },
  services: { spec: { ports: [{ port: 80 }] } },
  serviceaccounts: {},
  namespaces: {},
  deployments: { spec: { replicas: 1, ...workload } },
  replicasets: { spec: workload },
  daemonsets: { spec: workload },
  jobs: { spec: { template: { spec: { ...template.spec, restartPolicy: 'Never' } } } },
  leases: { spec: { holderIdentity: 'a' } },
  roles: { rules },
  clusterroles: { rules },
  limitranges: { spec: { limits: [{ type: 'Container', max: { cpu: '1' } }] } },
  persistentvolumeclaims: { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } },
  networkpolicies: { spec: { podSelector: {} } },
  validatingadmissionpolicies: {
    spec: { matchConstraints: { resourceRules: [rule] }, validations: [{ expression: 'object.metadata.name != "x"' }] },
  },
  customresourcedefinitions: {
    metadata: { name: 'widgets.fuzz.test' },
    spec: {
      group: 'fuzz.test',
      scope: 'Namespaced',
      names: things,
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        },
      ],
    },
  },
};
