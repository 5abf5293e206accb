/** Where the repositories of charts, helm and logs lie: outside of the checkout, kept from one run to the next. */
import { homedir } from 'node:os';
import { join } from 'node:path';

const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
const root = join(cache, 'glasshouse/strangers/charts');

export const places = { root, bin: join(root, 'bin'), helm: join(root, 'bin/helm'), logs: join(root, 'logs') };

/** GitHub's owner and name, and the folder that has the charts. */
export const repositories = [
  { owner: 'prometheus-community', name: 'helm-charts', folder: 'charts' },
  { owner: 'argoproj', name: 'argo-helm', folder: 'charts' },
  { owner: 'kubernetes', name: 'ingress-nginx', folder: 'charts' },
  { owner: 'bitnami', name: 'charts', folder: 'bitnami' },
];
