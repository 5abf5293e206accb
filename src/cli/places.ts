/** Where everything of a cluster lies: one folder below `$GLASS_HOME`. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

export interface Places {
  root: string;
  store: string;
  pki: string;
  kubeconfig: string;
  kubelet: string;
  runtime: string;
  images: string;
  network: string;
  log: string;
  /** Who runs it: pid, port, runtime. */
  run: string;
  /** What was done to the user's kubeconfig, to be undone. */
  merged: string;
}

export function placesOf(dataDir?: string): Places {
  const root = resolve(dataDir ?? join(process.env.GLASS_HOME ?? join(homedir(), '.glasshouse'), 'default'));
  return {
    root,
    store: join(root, 'store'),
    pki: join(root, 'pki'),
    kubeconfig: join(root, 'kubeconfig'),
    kubelet: join(root, 'kubelet'),
    runtime: join(root, 'runtime'),
    images: join(root, 'images'),
    network: join(root, 'network'),
    log: join(root, 'glass.log'),
    run: join(root, 'run.json'),
    merged: join(root, 'merged.json'),
  };
}
