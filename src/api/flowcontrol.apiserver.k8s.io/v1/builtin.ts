/** The FlowSchemas and PriorityLevelConfigurations that every cluster has: the mandatory ones, and those suggested to begin with. */
import type {
  FlowcontrolSubject as Subject,
  FlowSchemaSpec,
  PolicyRulesWithSubjects as Rule,
  PriorityLevelConfigurationSpec as LevelSpec,
} from '../../gen/types.ts';

/** Whether the server keeps the spec of an object as it has it: `true` or `false`. */
export const autoUpdateAnnotation = 'apf.kubernetes.io/autoupdate-spec';

const groups = (...names: string[]): Subject[] => names.map((name) => ({ kind: 'Group', group: { name } }));
const users = (...names: string[]): Subject[] => names.map((name) => ({ kind: 'User', user: { name } }));
const systemAccounts: Subject = { kind: 'ServiceAccount', serviceAccount: { name: '*', namespace: 'kube-system' } };
const everybody = groups('system:unauthenticated', 'system:authenticated');

const everything: Omit<Rule, 'subjects'> = {
  resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true, namespaces: ['*'] }],
  nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
};

const leases = (verbs: string[]): NonNullable<Rule['resourceRules']>[number] => ({
  verbs,
  apiGroups: ['coordination.k8s.io'],
  resources: ['leases'],
  namespaces: ['*'],
});

function schema(
  priorityLevel: string,
  matchingPrecedence: number,
  distinguisher: 'ByUser' | 'ByNamespace' | undefined,
  rule: Rule,
): FlowSchemaSpec {
  return {
    priorityLevelConfiguration: { name: priorityLevel },
    matchingPrecedence,
    ...(distinguisher && { distinguisherMethod: { type: distinguisher } }),
    rules: [rule],
  };
}

function queueing(shares: number, lendablePercent: number, queues: number, handSize: number): LevelSpec {
  return {
    type: 'Limited',
    limited: {
      nominalConcurrencyShares: shares,
      limitResponse: { type: 'Queue', queuing: { queues, handSize, queueLengthLimit: 50 } },
      lendablePercent,
    },
  };
}

export const mandatoryPriorityLevels: Readonly<Record<string, LevelSpec>> = {
  'catch-all': {
    type: 'Limited',
    limited: { nominalConcurrencyShares: 5, limitResponse: { type: 'Reject' }, lendablePercent: 0 },
  },
  exempt: { type: 'Exempt', exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } },
};

export const mandatoryFlowSchemas: Readonly<Record<string, FlowSchemaSpec>> = {
  exempt: schema('exempt', 1, undefined, { subjects: groups('system:masters'), ...everything }),
  'catch-all': schema('catch-all', 10_000, 'ByUser', { subjects: everybody, ...everything }),
};

export const suggestedPriorityLevels: Readonly<Record<string, LevelSpec>> = {
  system: queueing(30, 33, 64, 6),
  'node-high': queueing(40, 25, 64, 6),
  'leader-election': queueing(10, 0, 16, 4),
  'workload-high': queueing(40, 50, 128, 6),
  'workload-low': queueing(100, 90, 128, 6),
  'global-default': queueing(20, 50, 128, 6),
};

export const suggestedFlowSchemas: Readonly<Record<string, FlowSchemaSpec>> = {
  'system-nodes': schema('system', 500, 'ByUser', { subjects: groups('system:nodes'), ...everything }),
  'system-node-high': schema('node-high', 400, 'ByUser', {
    subjects: groups('system:nodes'),
    resourceRules: [
      { verbs: ['*'], apiGroups: [''], resources: ['nodes', 'nodes/status'], clusterScope: true, namespaces: ['*'] },
      leases(['*']),
    ],
  }),
  probes: schema('exempt', 2, undefined, {
    subjects: everybody,
    nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/healthz', '/readyz', '/livez'] }],
  }),
  'system-leader-election': schema('leader-election', 100, 'ByUser', {
    subjects: [...users('system:kube-controller-manager', 'system:kube-scheduler'), systemAccounts],
    resourceRules: [leases(['get', 'create', 'update'])],
  }),
  'kube-controller-manager': schema('workload-high', 800, 'ByNamespace', {
    subjects: users('system:kube-controller-manager'),
    ...everything,
  }),
  'kube-scheduler': schema('workload-high', 800, 'ByNamespace', {
    subjects: users('system:kube-scheduler'),
    ...everything,
  }),
  'kube-system-service-accounts': schema('workload-high', 900, 'ByNamespace', {
    subjects: [systemAccounts],
    ...everything,
  }),
  'service-accounts': schema('workload-low', 9000, 'ByUser', {
    subjects: groups('system:serviceaccounts'),
    ...everything,
  }),
  'global-default': schema('global-default', 9900, 'ByUser', { subjects: everybody, ...everything }),
};
