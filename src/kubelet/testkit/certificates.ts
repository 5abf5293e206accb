/** A throw-away authority with a server's and a client's certificate, made by `openssl`. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Certificates {
  ca: string;
  server: { cert: string; key: string };
  client: { cert: string; key: string };
}

/** Undefined when there is no `openssl`. */
export async function makeCertificates(): Promise<Certificates | undefined> {
  const directory = await mkdtemp(join(tmpdir(), 'certificates-'));
  const ssl = (...args: string[]) => run('openssl', args, { cwd: directory, timeout: 20_000 });
  const read = async (name: string) => ({
    cert: await readFile(join(directory, `${name}.crt`), 'utf8'),
    key: await readFile(join(directory, `${name}.key`), 'utf8'),
  });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  try {
    await ssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '2', '-subj', '/CN=authority');
    await writeFile(join(directory, 'names'), 'subjectAltName=IP:127.0.0.1\n');
    for (const name of ['server', 'client']) {
      await ssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
      await ssl(
        'x509',
        '-req',
        '-in',
        `${name}.csr`,
        '-CA',
        'ca.crt',
        '-CAkey',
        'ca.key',
        '-CAcreateserial',
        '-days',
        '2',
        '-extfile',
        'names',
        '-out',
        `${name}.crt`,
      );
    }
    return { ca: (await read('ca')).cert, server: await read('server'), client: await read('client') };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
