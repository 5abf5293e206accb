/**
 * What a node's agent may do: read what pods on its node refer to, and no Secret of others; report on itself and its pods. It has no opinion
 * about anybody else, and what it does not allow a role still may.
 */
import type { AnyObject } from '../../../machinery/index.ts';
import { groups } from '../../authn/index.ts';
import { type ResourceCache, root } from '../../cache/index.ts';
import type { User } from '../../request.ts';
import type { Attributes, Decision } from '../attributes.ts';
import { bootstrapPolicy } from '../policy.ts';
import { type PolicyRule, ruleAllows } from '../rbac.ts';
import { NodeGraph } from './graph.ts';
import { secretsOfVolume } from './references.ts';

const prefix = 'system:node:';

/** The name of the node whose agent the user is; undefined: it is none. */
export function nodeOf({ name, groups: of }: User): string | undefined {
  return name.startsWith(prefix) && of.includes(groups.nodes) ? name.slice(prefix.length) : undefined;
}

/** What is looked up besides pods. */
export interface NodeObjects {
  readonly pods: ResourceCache;
  readonly persistentVolumes: ResourceCache;
  readonly volumeAttachments: ResourceCache;
  readonly resourceSlices: ResourceCache;
}

const allowed: Decision = { allowed: true, reason: '' };
const no = (reason: string): Decision => ({ allowed: false, reason });

export class NodeAuthorizer {
  readonly #graph: NodeGraph;
  readonly #objects: NodeObjects;
  readonly #rules: readonly PolicyRule[];

  constructor(objects: NodeObjects) {
    this.#objects = objects;
    this.#graph = new NodeGraph(objects.pods);
    const role = bootstrapPolicy().find(
      ({ kind, metadata }) => kind === 'ClusterRole' && metadata.name === 'system:node',
    );
    this.#rules = role?.rules ?? [];
  }

  /** Undefined: the user is no node. */
  authorize(attributes: Attributes): Decision | undefined {
    const node = nodeOf(attributes.user);
    if (node === undefined) return undefined;
    if (node === '') return no(`unknown node for user ${JSON.stringify(attributes.user.name)}`);
    const { group, resource, isResource } = attributes;
    const special = isResource ? this.#special(`${group}/${resource}`, node, attributes) : undefined;
    if (special !== undefined) return special;
    return this.#rules.some((rule) => ruleAllows(rule, attributes)) ? allowed : no('');
  }

  #special(resource: string, node: string, attributes: Attributes): Decision | undefined {
    const { verb, subresource } = attributes;
    switch (resource) {
      case '/secrets':
      case '/configmaps':
        return this.#read(node, attributes, ['get', 'list', 'watch']);
      case '/persistentvolumeclaims':
        if (subresource !== 'status') return this.#read(node, attributes, ['get']);
        return ['update', 'patch'].includes(verb)
          ? this.#related(node, attributes)
          : no('can only get/update/patch this type');
      case '/persistentvolumes':
      case 'resource.k8s.io/resourceclaims':
      case 'storage.k8s.io/volumeattachments':
        return this.#read(node, attributes, ['get']);
      case '/serviceaccounts':
        if (verb === 'get' && subresource === '') return this.#read(node, attributes, ['get']);
        if (verb !== 'create' || subresource !== 'token')
          return no('can only create tokens for individual service accounts');
        return this.#related(node, attributes);
      case 'coordination.k8s.io/leases':
        return lease(node, attributes);
      case 'storage.k8s.io/csinodes':
        return csiNode(node, attributes);
      case 'resource.k8s.io/resourceslices':
        return this.#slice(node, attributes);
      case '/nodes':
        return ownNode(node, attributes);
      case '/pods':
        return this.#pod(node, attributes);
      default:
        return undefined;
    }
  }

  #read(node: string, attributes: Attributes, verbs: readonly string[]): Decision {
    if (!verbs.includes(attributes.verb))
      return no(
        verbs.length === 1 ? 'can only get individual resources of this type' : 'can only read resources of this type',
      );
    if (attributes.subresource !== '') return no('cannot read subresource');
    return this.#related(node, attributes);
  }

  #related(node: string, { resource, namespace, name }: Attributes): Decision {
    if (name === '') return no('No Object name found');
    return this.#has(node, resource, namespace, name)
      ? allowed
      : no(`no relationship found between node '${node}' and this object`);
  }

  #has(node: string, resource: string, namespace: string, name: string): boolean {
    const { persistentVolumes, volumeAttachments, resourceSlices } = this.#objects;
    switch (resource) {
      case 'persistentvolumes':
        return this.#usesVolume(node, find(persistentVolumes, 'core/persistentvolumes', name));
      case 'volumeattachments':
        return find(volumeAttachments, 'storage.k8s.io/volumeattachments', name)?.spec?.nodeName === node;
      case 'resourceslices':
        return find(resourceSlices, 'resource.k8s.io/resourceslices', name)?.spec?.nodeName === node;
      case 'secrets':
        return this.#graph.has(node, resource, namespace, name) || this.#mountsWith(node, `${namespace}/${name}`);
      default:
        return this.#graph.has(node, resource, namespace, name);
    }
  }

  #usesVolume(node: string, volume: AnyObject | undefined): boolean {
    const { namespace, name } = volume?.spec?.claimRef ?? {};
    return name !== undefined && this.#graph.has(node, 'persistentvolumeclaims', namespace, name);
  }

  #mountsWith(node: string, secret: string): boolean {
    for (const { object } of this.#objects.persistentVolumes.entries.values())
      for (const one of secretsOfVolume(object)) if (one === secret && this.#usesVolume(node, object)) return true;
    return false;
  }

  #slice(node: string, attributes: Attributes): Decision {
    const { verb, subresource } = attributes;
    if (subresource !== '') return no('cannot authorize ResourceSlice subresources');
    if (verb === 'create') return allowed;
    if (['get', 'update', 'patch', 'delete'].includes(verb)) return this.#related(node, attributes);
    return selects(attributes, 'spec.nodeName', node)
      ? allowed
      : no('can only list/watch/deletecollection resourceslices with nodeName field selector');
  }

  #pod(node: string, attributes: Attributes): Decision {
    const { verb, subresource, name } = attributes;
    const what = `${verb} ${subresource}`;
    switch (what) {
      case 'get ':
        return this.#related(node, attributes);
      case 'list ':
      case 'watch ':
        if (selects(attributes, 'spec.nodeName', node)) return allowed;
        return name !== ''
          ? this.#related(node, attributes)
          : no('can only list/watch pods with spec.nodeName field selector');
      case 'create ':
      case 'delete ':
      case 'update status':
      case 'patch status':
      case 'create eviction':
        return allowed;
      default:
        return no('');
    }
  }
}

function find(cache: ResourceCache, place: string, name: string): AnyObject | undefined {
  return cache.entries.get(`${root}${place}/${name}`)?.object;
}

/** Whether nothing but objects with this value is asked for. */
function selects({ fieldSelector = '' }: Attributes, field: string, value: string): boolean {
  return fieldSelector.split(',').some((term) => term === `${field}=${value}` || term === `${field}==${value}`);
}

const ownVerbs = ['get', 'create', 'update', 'patch', 'delete'];

function lease(node: string, { verb, namespace, name }: Attributes): Decision {
  if (!ownVerbs.includes(verb)) return no('can only get, create, update, patch, or delete a node lease');
  if (namespace !== 'kube-node-lease') return no('can only access leases in the "kube-node-lease" system namespace');
  if (verb !== 'create' && name !== node)
    return no('can only access node lease with the same name as the requesting node');
  return allowed;
}

function csiNode(node: string, { verb, subresource, name }: Attributes): Decision {
  if (!ownVerbs.includes(verb)) return no('can only get, create, update, patch, or delete a CSINode');
  if (subresource !== '') return no('cannot authorize CSINode subresources');
  if (verb !== 'create' && name !== node)
    return no('can only access CSINode with the same name as the requesting node');
  return allowed;
}

function ownNode(node: string, { verb, subresource, name }: Attributes): Decision {
  if (subresource === 'status') return ['update', 'patch'].includes(verb) ? allowed : no('');
  if (subresource !== '') return no('');
  if (['create', 'update', 'patch'].includes(verb)) return allowed;
  if (!['get', 'list', 'watch'].includes(verb)) return no('');
  if (name === node) return allowed;
  return no(
    name === ''
      ? `node '${node}' cannot read all nodes, only its own Node object`
      : `node '${node}' cannot read '${name}', only its own Node object`,
  );
}
