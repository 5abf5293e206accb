/** A node's agent writes its own Node, its own pods and what belongs to them, and nothing that would let it take over more. */
import { type AnyObject, equalJson, StatusError } from '../../machinery/index.ts';
import { nodeOf } from '../authz/index.ts';
import { referencesOf } from '../authz/node/references.ts';
import type { AdmissionRequest, AdmissionStep } from '../registry/context.ts';
import { forbidden, lookup } from './lookup.ts';

const pods = { group: '', version: 'v1', resource: 'pods' };
const nodes = { group: '', version: 'v1', resource: 'nodes' };

type Rule = (request: AdmissionRequest, node: string) => void | Promise<void>;

const rules: Readonly<Record<string, Rule>> = {
  __proto__: null as never,
  '/pods': checkPod,
  '/nodes': checkNode,
  '/persistentvolumeclaims': checkClaim,
  '/serviceaccounts': checkToken,
  'coordination.k8s.io/leases': checkLease,
  'storage.k8s.io/csinodes': checkCSINode,
  'resource.k8s.io/resourceslices': checkSlice,
};

export const nodeRestriction: AdmissionStep = {
  name: 'NodeRestriction',
  resources: Object.keys(rules),
  operations: ['CREATE', 'UPDATE', 'DELETE'],
  // already here, as a change that changes nothing is refused, too
  admit(request) {
    const { user, served } = request.call;
    const node = nodeOf(user);
    if (node === undefined) return;
    if (node === '') throw forbidden(request, `could not determine node from user ${JSON.stringify(user.name)}`);
    return rules[`${served.kind.group}/${served.kind.resource}`]!(request, node);
  },
};

async function checkPod(request: AdmissionRequest, node: string): Promise<void> {
  const { call, operation, object, old, registry } = request;
  const refuse = (why: string) => forbidden(request, why);
  switch (call.subresource) {
    case '':
      if (operation === 'CREATE') return checkMirrorPod(request, node);
      if (operation !== 'DELETE')
        throw refuse(`unexpected operation "${operation}", node "${node}" can only create and delete mirror pods`);
      if (old!.spec.nodeName !== node)
        throw refuse(`node "${node}" can only delete pods with spec.nodeName set to itself`);
      return;
    case 'status':
      if (old!.spec.nodeName !== node)
        throw refuse(`node "${node}" can only update pod status for pods with spec.nodeName set to itself`);
      if (!equalJson(old!.metadata.labels ?? {}, object!.metadata.labels ?? {}))
        throw refuse(`node "${node}" cannot update labels through pod status`);
      if (!equalJson(old!.status?.resourceClaimStatuses, object!.status?.resourceClaimStatuses))
        throw refuse(`node "${node}" cannot update resource claim statues`);
      if (!equalJson(old!.status?.extendedResourceClaimStatus, object!.status?.extendedResourceClaimStatus))
        throw refuse(`node "${node}" cannot update extended resource claim status`);
      return;
    case 'eviction': {
      const pod = await lookup(registry, pods, call.namespace, call.name);
      if (pod === undefined) throw StatusError.notFound(pods, call.name);
      if (pod.spec.nodeName !== node) throw refuse(`node ${node} can only evict pods with spec.nodeName set to itself`);
      return;
    }
    default:
      throw refuse(`unexpected pod subresource "${call.subresource}", only 'status' and 'eviction' are allowed`);
  }
}

async function checkMirrorPod(request: AdmissionRequest, node: string): Promise<void> {
  const { object, registry } = request;
  const refuse = (why: string) => forbidden(request, why);
  const { metadata, spec } = object!;
  const mirror = 'kubernetes.io/config.mirror';
  if (metadata.annotations?.[mirror] === undefined)
    throw refuse(`pod does not have "${mirror}" annotation, node "${node}" can only create mirror pods`);
  if (spec.nodeName !== node) throw refuse(`node "${node}" can only create pods with spec.nodeName set to itself`);
  const owners = metadata.ownerReferences ?? [];
  if (owners.length > 1)
    throw refuse(`node "${node}" can only create pods with a single owner reference set to itself`);
  const [owner] = owners;
  if (owner?.apiVersion !== 'v1' || owner.kind !== 'Node' || owner.name !== node)
    throw refuse(`node "${node}" can only create pods with an owner reference set to itself`);
  if (owner.controller !== true)
    throw refuse(`node "${node}" can only create pods with a controller owner reference set to itself`);
  if (owner.blockOwnerDeletion) throw refuse(`node "${node}" must not set blockOwnerDeletion on an owner reference`);
  const known = await lookup(registry, nodes, '', node);
  if (known === undefined) throw StatusError.notFound(nodes, node);
  if (known.metadata.uid !== owner.uid)
    throw refuse(`node ${node} UID mismatch: expected ${owner.uid} got ${known.metadata.uid}`);
  for (const reference of referencesOf({ ...object!, metadata: { ...metadata, annotations: {} } })) {
    const [resource] = reference.split('/', 1);
    if (resource !== 'pods') throw refuse(`node "${node}" can not create pods that reference ${resource}`);
  }
}

const kubeletLabels = new Set([
  ...['hostname', 'os', 'arch'].map((name) => `kubernetes.io/${name}`),
  ...['os', 'arch', 'instance-type'].map((name) => `beta.kubernetes.io/${name}`),
  ...['zone', 'region'].flatMap((name) => [
    `topology.kubernetes.io/${name}`,
    `failure-domain.beta.kubernetes.io/${name}`,
  ]),
  'node.kubernetes.io/instance-type',
]);

function isForbiddenLabel(label: string): boolean {
  const slash = label.indexOf('/');
  if (slash < 0) return false;
  const domain = label.slice(0, slash);
  const within = (parent: string) => domain === parent || domain.endsWith(`.${parent}`);
  if (within('node-restriction.kubernetes.io')) return true;
  if (!within('kubernetes.io') && !within('k8s.io')) return false;
  return !kubeletLabels.has(label) && !within('kubelet.kubernetes.io') && !within('node.kubernetes.io');
}

function forbiddenLabels(labels: Record<string, string> = {}, before: Record<string, string> = {}): string[] {
  const changed = [...Object.keys(labels), ...Object.keys(before)].filter((name) => labels[name] !== before[name]);
  return [...new Set(changed)].filter(isForbiddenLabel).toSorted();
}

function checkNode(request: AdmissionRequest, node: string): void {
  const { call, operation, object, old } = request;
  const refuse = (why: string) => forbidden(request, why);
  const name = call.name || object?.metadata.name;
  if (name !== node) throw refuse(`node "${node}" is not allowed to modify node "${name}"`);
  if (operation === 'DELETE') return;
  const labels = forbiddenLabels(object!.metadata.labels, old?.metadata.labels);
  if (operation === 'CREATE') {
    if (labels.length > 0)
      throw refuse(`node "${node}" is not allowed to set the following labels: ${labels.join(', ')}`);
    return;
  }
  if (!equalJson(object!.spec?.taints ?? [], old!.spec?.taints ?? []))
    throw refuse(`node "${node}" is not allowed to modify taints`);
  if (!equalJson(object!.metadata.ownerReferences ?? [], old!.metadata.ownerReferences ?? []))
    throw refuse(`node "${node}" is not allowed to modify ownerReferences`);
  if (labels.length > 0) throw refuse(`is not allowed to modify labels: ${labels.join(', ')}`);
}

function checkClaim(request: AdmissionRequest, node: string): void {
  const { call, operation, object, old } = request;
  if (call.subresource !== 'status') throw forbidden(request, 'may only update PVC status');
  if (operation !== 'UPDATE') throw forbidden(request, `unexpected operation "${operation}"`);
  const kept = ({ metadata, status, ...rest }: AnyObject) => {
    const { resourceVersion: _, managedFields: __, ...meta } = metadata;
    const {
      capacity: _c,
      conditions: _o,
      allocatedResources: _r,
      allocatedResourceStatuses: _s,
      ...others
    } = status ?? {};
    return { ...rest, metadata: meta, status: others };
  };
  if (!equalJson(kept(old!), kept(object!)))
    throw forbidden(
      request,
      `node "${node}" is not allowed to update fields other than status.quantity and status.conditions`,
    );
}

/** Tokens only for pods on the node, as those pods ask for them. */
async function checkToken(request: AdmissionRequest, node: string): Promise<void> {
  const { call, operation, object, registry } = request;
  const refuse = (why: string) => forbidden(request, why);
  if (operation !== 'CREATE' || call.subresource !== 'token') return;
  const { boundObjectRef: ref, audiences = [] } = object!.spec ?? {};
  if (ref?.apiVersion !== 'v1' || ref.kind !== 'Pod' || !ref.name)
    throw refuse('node requested token not bound to a pod');
  if (!ref.uid) throw refuse('node requested token with a pod binding without a uid');
  const pod = await lookup(registry, pods, call.namespace, ref.name);
  if (pod === undefined) throw StatusError.notFound(pods, ref.name);
  if (pod.metadata.uid !== ref.uid)
    throw refuse(
      `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  if (pod.spec.nodeName !== node) throw refuse('node requested token bound to a pod scheduled on a different node');
  if (audiences.length > 1) throw refuse('node may only request 0 or 1 audiences');
  const audience: string = audiences[0] ?? '';
  if (audience === '' || asksFor(pod, audience)) return;
  const may = await registry.authorize({
    user: call.user,
    verb: 'request-serviceaccounts-token-audience',
    isResource: true,
    group: '',
    resource: audience,
    subresource: '',
    namespace: call.namespace,
    name: call.name,
    path: '',
  });
  if (!may.allowed)
    throw refuse(
      `audience "${audience}" not found in pod spec volume, ${call.user.name} is not authorized to request tokens for this audience`,
    );
}

function asksFor(pod: AnyObject, audience: string): boolean {
  return (pod.spec.volumes ?? []).some((volume: AnyObject) =>
    volume.projected?.sources?.some((source: AnyObject) => source.serviceAccountToken?.audience === audience),
  );
}

function checkLease(request: AdmissionRequest, node: string): void {
  const { call, operation, object } = request;
  if (call.namespace !== 'kube-node-lease')
    throw forbidden(request, 'can only access leases in the "kube-node-lease" system namespace');
  const name = operation === 'CREATE' ? object!.metadata.name : call.name;
  if (name !== node) throw forbidden(request, 'can only access node lease with the same name as the requesting node');
}

function checkCSINode(request: AdmissionRequest, node: string): void {
  const { call, operation, object } = request;
  const name = operation === 'CREATE' ? object!.metadata.name : call.name;
  if (name !== node) throw forbidden(request, 'can only access CSINode with the same name as the requesting node');
}

function checkSlice(request: AdmissionRequest, node: string): void {
  const of = (request.object ?? request.old)?.spec?.nodeName;
  if (of === node) return;
  throw forbidden(
    request,
    request.operation === 'DELETE'
      ? 'can only delete ResourceSlice with the same NodeName as the requesting node'
      : 'can only create ResourceSlice with the same NodeName as the requesting node',
  );
}
