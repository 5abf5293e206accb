/** The objects that make an app of an image. */
import type { Deployment, Service } from '../../api/index.ts';

export interface App {
  name: string;
  image: string;
  imageId: string;
  port: number;
  /** Absent: left to whoever scaled it, 1 at first. */
  replicas?: number;
  env: { name: string; value: string }[];
}

export function deploymentFor({ name, image, imageId, port, replicas, env }: App): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'default', labels: { app: name } },
    spec: {
      ...(replicas !== undefined && { replicas }),
      selector: { matchLabels: { app: name } },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      template: {
        // the image keeps its name: its content is what makes a release
        metadata: { labels: { app: name }, annotations: { 'glasshouse.dev/image-id': imageId } },
        spec: {
          containers: [
            {
              name: 'app',
              image,
              imagePullPolicy: 'Never',
              env: [{ name: 'PORT', value: String(port) }, ...env],
              ports: [{ name: 'http', containerPort: port }],
              readinessProbe: { tcpSocket: { port }, periodSeconds: 1 },
              securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
            },
          ],
        },
      },
    },
  } as Deployment;
}

export function serviceFor({ name }: App): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default', labels: { app: name } },
    spec: {
      type: 'NodePort',
      selector: { app: name },
      ports: [{ name: 'http', port: 80, targetPort: 'http' }],
    },
  } as Service;
}
