/** Images that a test makes itself, as archives that any engine could have written. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Image {
  /** With its tag. */
  name: string;
  /** Folders, each of which becomes a layer; the first is the lowest. */
  layers: readonly string[];
  /** `config` of the OCI image configuration. */
  config: Record<string, unknown>;
}

/** Writes its files into `directory`, which may not exist yet. Returns the archive's file. */
export function imageArchive(directory: string, { name, layers, config }: Image): string {
  mkdirSync(directory, { recursive: true });
  const files = layers.map((tree, index) => {
    const file = `layer${index}.tar`;
    execFileSync('tar', ['-C', tree, '--owner=0', '--group=0', '-cf', join(directory, file), '.']);
    const bytes = readFileSync(join(directory, file));
    return { file, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` };
  });
  const document = {
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    config,
    rootfs: { type: 'layers', diff_ids: files.map(({ digest }) => digest) },
  };
  writeFileSync(join(directory, 'config.json'), JSON.stringify(document));
  const manifest = [{ Config: 'config.json', RepoTags: [name], Layers: files.map(({ file }) => file) }];
  writeFileSync(join(directory, 'manifest.json'), JSON.stringify(manifest));
  const archive = join(directory, 'image.tar');
  const members = ['config.json', 'manifest.json', ...files.map(({ file }) => file)];
  execFileSync('tar', ['-C', directory, '-cf', archive, ...members]);
  return archive;
}
