/** A pod's log, line by line, over HTTPS. */
import { httpsClient, loadKubeconfig } from '../client/index.ts';
import { systemClock } from '../machinery/index.ts';

export interface PodLogQuery {
  namespace: string;
  name: string;
  container?: string;
  follow: boolean;
  tailLines: number;
}

export async function* readPodLogs(kubeconfig: string, of: PodLogQuery): AsyncGenerator<string> {
  const client = httpsClient({ ...loadKubeconfig(kubeconfig), clock: systemClock });
  const query = new URLSearchParams({ follow: String(of.follow), tailLines: String(of.tailLines) });
  if (of.container !== undefined) query.set('container', of.container);
  try {
    const answer = await client.send({
      method: 'GET',
      path: `/api/v1/namespaces/${of.namespace}/pods/${of.name}/log?${query}`,
    });
    let rest = '';
    for await (const chunk of answer) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
    if (rest !== '') yield rest;
  } finally {
    client.close();
  }
}
