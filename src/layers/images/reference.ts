/**
 * Image references, parsed and completed as container engines do: `nginx` is `docker.io/library/nginx:latest`,
 * `localhost:5000/app` names a registry, `team/app` does not. Grammar: the distribution project's reference grammar.
 */
import { ImageError } from './errors.ts';

export interface Reference {
  /** Host and optional port as users write it: `docker.io`, `localhost:5000`, `[::1]:5000`. */
  registry: string;
  /** Path in the registry: `library/nginx`. */
  repository: string;
  /** Absent only when there is a digest and no tag was written. */
  tag?: string;
  /** `sha256:…`; it wins over the tag. */
  digest?: string;
}

const host =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$/;
const component = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const tagForm = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const digestForm = /^sha256:[0-9a-f]{64}$/;
const maximumName = 255;

/** Rejects with `InvalidImageName`; the message names the text and what is wrong with it. */
export function parseReference(text: string): Reference {
  const fail = (why: string): never => {
    throw new ImageError('InvalidImageName', `invalid image reference ${JSON.stringify(text.slice(0, 300))}: ${why}`);
  };
  if (text === '') fail('it is empty');
  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !digestForm.test(digest))
    fail('after "@" a digest such as sha256:<64 hex digits> is expected');
  const { name, tag } = splitTag(at < 0 ? text : text.slice(0, at));
  if (tag !== undefined && !tagForm.test(tag))
    fail(`the tag ${JSON.stringify(tag.slice(0, 140))} is not 1 to 128 letters, digits, "_", "." or "-"`);
  const { registry, repository } = splitRegistry(name);
  if (!host.test(registry)) fail(`${JSON.stringify(registry)} is not a registry host`);
  if (repository === '') fail('the repository name is missing');
  if (repository !== repository.toLowerCase())
    fail(`the repository name ${JSON.stringify(repository)} must be lower case`);
  if (!repository.split('/').every((part) => component.test(part)))
    fail(
      `the repository name ${JSON.stringify(repository)} may hold only lower case letters and digits, separated by ".", "_", "-" and "/"`,
    );
  if (registry.length + 1 + repository.length > maximumName) fail(`the name is longer than ${maximumName} characters`);
  if (/^[0-9a-f]{64}$/.test(name)) fail('64 hex digits are an image id, not a name');
  return {
    registry,
    repository,
    ...(tag !== undefined && { tag }),
    ...(tag === undefined && digest === undefined && { tag: 'latest' }),
    ...(digest !== undefined && { digest }),
  };
}

function splitTag(text: string): { name: string; tag: string | undefined } {
  const colon = text.lastIndexOf(':');
  if (colon < 0 || colon < text.lastIndexOf('/')) return { name: text, tag: undefined };
  return { name: text.slice(0, colon), tag: text.slice(colon + 1) };
}

function splitRegistry(name: string): { registry: string; repository: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const isHost = first === 'localhost' || /[.:[]/.test(first) || first !== first.toLowerCase();
  const registry = isHost ? first : 'docker.io';
  const repository = isHost ? name.slice(slash + 1) : name;
  if (registry === 'docker.io' || registry === 'index.docker.io')
    return {
      registry: 'docker.io',
      repository: repository.includes('/') || repository === '' ? repository : `library/${repository}`,
    };
  return { registry, repository };
}

/** `docker.io/library/nginx`: without tag and digest. */
export function repositoryName(reference: Reference): string {
  return `${reference.registry}/${reference.repository}`;
}

/** The full name under which the store keeps it: by digest when there is one, else by tag. */
export function formatReference(reference: Reference): string {
  return reference.digest
    ? `${repositoryName(reference)}@${reference.digest}`
    : `${repositoryName(reference)}:${reference.tag}`;
}

/** `sha256:…` of an image id written with or without its prefix; undefined when the text is no id. */
export function parseImageId(text: string): string | undefined {
  if (digestForm.test(text)) return text;
  return /^[0-9a-f]{64}$/.test(text) ? `sha256:${text}` : undefined;
}
