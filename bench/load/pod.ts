/** A pod of an ordinary size, as JSON. */
export function pod(name: string): string {
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
