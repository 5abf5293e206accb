/** Where the repositories of charts, helm and logs lie: outside of the checkout, kept from one run to the next. */
import { homedir } from 'node:os';
import { join } from 'node:path';

const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
const root = join(cache, 'glasshouse/strangers/charts');

export const places = { root, bin: join(root, 'bin'), helm: join(root, 'bin/helm'), logs: join(root, 'logs') };

/** GitHub's owner and name, and the folder that has the charts (or that is the only one). */
export const repositories = [
  { owner: 'prometheus-community', name: 'helm-charts', folder: 'charts' },
  { owner: 'argoproj', name: 'argo-helm', folder: 'charts' },
  { owner: 'kubernetes', name: 'ingress-nginx', folder: 'charts' },
  { owner: 'bitnami', name: 'charts', folder: 'bitnami' },
  { owner: 'traefik', name: 'traefik-helm-chart', folder: '.' },
  { owner: 'grafana', name: 'helm-charts', folder: 'charts' },
  { owner: 'hashicorp', name: 'vault-helm', folder: '.' },
  { owner: 'hashicorp', name: 'consul-k8s', folder: 'charts' },
  { owner: 'kyverno', name: 'kyverno', folder: 'charts' },
  { owner: 'kedacore', name: 'charts', folder: '.' },
  { owner: 'nats-io', name: 'k8s', folder: 'helm/charts' },
  { owner: 'longhorn', name: 'charts', folder: 'charts' },
  { owner: 'kubernetes-sigs', name: 'metrics-server', folder: 'charts' },
  { owner: 'kubernetes-sigs', name: 'external-dns', folder: 'charts' },
  { owner: 'cockroachdb', name: 'helm-charts', folder: '.' },
  { owner: 'elastic', name: 'cloud-on-k8s', folder: 'deploy' },
  { owner: 'elastic', name: 'helm-charts', folder: '.' },
  { owner: 'strimzi', name: 'strimzi-kafka-operator', folder: 'packaging/helm-charts/helm3' },
  { owner: 'rook', name: 'rook', folder: 'deploy/charts' },
  { owner: 'external-secrets', name: 'external-secrets', folder: 'deploy/charts' },
  { owner: 'open-telemetry', name: 'opentelemetry-helm-charts', folder: 'charts' },
  { owner: 'metallb', name: 'metallb', folder: 'charts' },
  { owner: 'open-policy-agent', name: 'gatekeeper', folder: 'charts' },
  { owner: 'fluent', name: 'helm-charts', folder: 'charts' },
  { owner: 'vmware-tanzu', name: 'helm-charts', folder: 'charts' },
  { owner: 'fluxcd-community', name: 'helm-charts', folder: 'charts' },
  { owner: 'DandyDeveloper', name: 'charts', folder: 'charts' },
  { owner: 'crossplane', name: 'crossplane', folder: 'cluster/charts' },
  { owner: 'minio', name: 'minio', folder: 'helm' },
];
