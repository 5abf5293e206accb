/**
 * The registry that the suite's images come from, within the runner's namespaces: `registry.k8s.io` leads to it, and the cluster trusts its certificate.
 * It has what was assembled; whoever may use an image that is there already does not ask it.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { createAuthority, issue } from '../../src/apiserver/index.ts';
import { digestOf } from '../../src/layers/images/testing/fixture.ts';
import { startRegistry, type TestRegistry } from '../../src/layers/images/testing/registry.ts';
import { places } from './places.ts';

const host = 'registry.k8s.io';
const day = 24 * 3600_000;

/** `certificate`: the file of the one to trust. */
export async function serveImages(): Promise<AsyncDisposable & { certificate: string }> {
  const registry = await startRegistry();
  const images = JSON.parse(readFileSync(join(places.images, 'manifest.json'), 'utf8')) as Assembled[];
  for (const image of images) if (image.RepoTags[0]!.startsWith(`${host}/e2e-test-images/`)) add(registry, image);
  const scratch = mkdtempSync(join(tmpdir(), 'conformance-registry-'));
  const now = Date.now();
  const authority = createAuthority('conformance registry', now);
  const lasts = { notBefore: now - day, notAfter: now + day };
  const pair = issue(authority, { commonName: host, hosts: [host], uses: ['server'], ...lasts });
  const [address, port] = registry.host.split(':');
  const server = createServer({ cert: pair.certificate, key: pair.key }, (socket) => {
    const inside = connect(Number(port), address);
    socket.on('error', () => inside.destroy());
    inside.on('error', () => socket.destroy());
    socket.pipe(inside).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(443, '127.0.0.1', resolve));
  writeFileSync(join(scratch, 'hosts'), `127.0.0.1 localhost ${host}\n`);
  // of the mount namespace that this runs in
  execFileSync('mount', ['--bind', join(scratch, 'hosts'), '/etc/hosts']);
  const certificate = join(scratch, 'ca.crt');
  writeFileSync(certificate, authority.certificate);
  return {
    certificate,
    async [Symbol.asyncDispose]() {
      server.close();
      await registry[Symbol.asyncDispose]();
      rmSync(scratch, { recursive: true, force: true });
    },
  };
}

/** As the archive's `manifest.json` lists it. */
interface Assembled {
  Config: string;
  RepoTags: string[];
  Layers: string[];
}

function add(registry: TestRegistry, { Config, RepoTags, Layers }: Assembled): void {
  const blobs = new Map<string, Buffer>();
  const descriptorOf = (mediaType: string, bytes: Buffer) => {
    const digest = digestOf(bytes);
    blobs.set(digest, registry.blobs.get(digest) ?? bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const read = (file: string) => readFileSync(join(places.images, file));
  const document = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: descriptorOf('application/vnd.oci.image.config.v1+json', read(Config)),
    layers: Layers.map((file) => descriptorOf('application/vnd.oci.image.layer.v1.tar', read(file))),
  };
  const manifest = descriptorOf(document.mediaType, Buffer.from(JSON.stringify(document)));
  const [repository, tag] = RepoTags[0]!.slice(host.length + 1).split(':');
  registry.add(repository!, tag!, { blobs, manifest });
}
