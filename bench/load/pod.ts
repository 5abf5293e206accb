import { request, run, type Target } from './connection.ts';

export const podsPath = '/api/v1/namespaces/default/pods';

/** Makes `pod-0` and on. */
export async function makePods(target: Target, count: number): Promise<void> {
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } };
  const accounts = [request('POST', '/api/v1/namespaces/default/serviceaccounts', JSON.stringify(account))];
  await run(target, 1, () => accounts.pop());
  let made = 0;
  await run(target, 32, () => (made < count ? request('POST', podsPath, pod(`pod-${made++}`)) : undefined));
}

/** A pod of an ordinary size, as JSON. */
function pod(name: string): string {
  const env = Array.from({ length: 6 }, (_, i) => ({ name: `SETTING_${i}`, value: `value-${i}` }));
  const resources = { requests: { cpu: '100m', memory: '64Mi' }, limits: { memory: '128Mi' } };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: 'bench', tier: 'backend' } },
    spec: {
      automountServiceAccountToken: false,
      containers: [
        { name: 'main', image: 'registry.example.com/app:1.0', ports: [{ containerPort: 8080 }], env, resources },
      ],
    },
  });
}
