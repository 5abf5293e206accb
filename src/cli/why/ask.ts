/** Requests for what is not an object. */
import type { HttpsClient } from '../../client/index.ts';

const bodyLimit = 64 << 20;

export async function readText(
  client: HttpsClient,
  path: string,
  { accept, signal }: { accept?: string; signal?: AbortSignal } = {},
): Promise<string> {
  const answer = await client.send({ method: 'GET', path, ...(accept && { accept }), ...(signal && { signal }) });
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of answer) {
    size += (part as Buffer).length;
    if (size > bodyLimit) {
      answer.destroy();
      throw new Error(`${path} answered with more than ${bodyLimit >> 20} MB`);
    }
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts).toString();
}

export async function readJson(
  client: HttpsClient,
  path: string,
  options?: { accept?: string; signal?: AbortSignal },
): Promise<any> {
  return JSON.parse(await readText(client, path, options));
}
