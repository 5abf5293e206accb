/** Which of an image's platforms is ours. */
import { ImageError } from './errors.ts';
import type { Descriptor, Index, Platform } from './spec.ts';

const architectures: Record<string, string> = {
  x64: 'amd64',
  ia32: '386',
  arm: 'arm',
  arm64: 'arm64',
  ppc64: 'ppc64le',
};
const aliases: Record<string, string> = {
  x86_64: 'amd64',
  'x86-64': 'amd64',
  aarch64: 'arm64',
  i386: '386',
  armhf: 'arm',
};

/** Containers are Linux programs wherever this runs. */
export function hostPlatform(nodeArch: string = process.arch): Platform {
  return { os: 'linux', architecture: architectures[nodeArch] ?? nodeArch };
}

export function normalizePlatform(platform: Platform): Platform {
  const architecture = aliases[platform.architecture.toLowerCase()] ?? platform.architecture.toLowerCase();
  const variant = platform.variant ?? '';
  const implied = architecture === 'arm64' && variant === 'v8';
  return { os: platform.os.toLowerCase(), architecture, ...(variant !== '' && !implied && { variant }) };
}

/** `linux/arm64`, `linux/arm/v7`. */
export function parsePlatform(text: string): Platform {
  const [os, architecture, variant, ...rest] = text.split('/');
  if (!os || !architecture || rest.length > 0)
    throw new ImageError(
      'ErrImagePull',
      `platform ${JSON.stringify(text)} is not of the form os/architecture[/variant], such as linux/amd64`,
    );
  return normalizePlatform({ os, architecture, ...(variant && { variant }) });
}

export function formatPlatform(platform: Platform): string {
  return [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/');
}

/** Whether an image of `offered` runs on `wanted`; an empty field of the offer matches anything. */
export function platformMatches(wanted: Platform, offered: Platform): boolean {
  const ours = normalizePlatform(wanted);
  const theirs = normalizePlatform({
    ...offered,
    os: offered.os || ours.os,
    architecture: offered.architecture || ours.architecture,
  });
  if (ours.os !== theirs.os || ours.architecture !== theirs.architecture) return false;
  return ours.variant === undefined || theirs.variant === undefined || ours.variant === theirs.variant;
}

/** The manifest of an index for one platform; rejects naming those there are. */
export function selectPlatform(index: Index, wanted: Platform, what: string): Descriptor {
  const images = index.manifests.filter((entry) => entry.platform?.os !== 'unknown');
  const fitting = images.filter((entry) => entry.platform && platformMatches(wanted, entry.platform));
  const exact = fitting.find((entry) => (entry.platform?.variant ?? '') === (wanted.variant ?? ''));
  const found = exact ?? fitting[0] ?? images.find((entry) => !entry.platform && images.length === 1);
  if (found) return found;
  const offered = images.map((entry) => (entry.platform ? formatPlatform(entry.platform) : 'unnamed')).join(', ');
  throw new ImageError(
    'ErrImagePull',
    `${what} has no image for ${formatPlatform(wanted)}; it has: ${offered || 'none'}`,
  );
}
