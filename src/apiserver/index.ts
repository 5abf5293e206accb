/**
 * The API server: the Kubernetes API over a store. It promises what upstream's promises: authentication, authorisation, admission, validation,
 * durable writes with optimistic concurrency, consistent lists and gapless watches. It leaves all acting on objects to others; it
 * reads time and chance from what it is given, and listens only where it is told to.
 */
import { kinds, kubernetesVersion } from '../api/index.ts';
import { type AnyObject, type Clock, MetricSet, type Random } from '../machinery/index.ts';
import type { Store } from '../store/index.ts';
import { AdmissionCounts, admissionOf, admissionSteps } from './admission/index.ts';
import { lookup } from './admission/lookup.ts';
import { followPolicies } from './admission/policies/typechecking.ts';
import { BootstrapTokens } from './authn/bootstraptoken.ts';
import { ServiceAccountTokens, type TokenAuthenticator, type TokenSigner } from './authn/index.ts';
import {
  AuthorizerChain,
  authorizersOf,
  type ConfiguredAuthorizer,
  NodeAuthorizer,
  nodeMember,
  Rbac,
  rbacMember,
} from './authz/index.ts';
import {
  type Aggregation,
  type FrontProxy,
  frontProxyName,
  publishAuthentication,
  startAggregation,
} from './aggregation/index.ts';
import { followServices, repairAllocations } from './allocation.ts';
import { bootstrap } from './bootstrap.ts';
import { startFairness } from './fairness/index.ts';
import type { Audit } from './audit/index.ts';
import { ChainCounts } from './chaincounts.ts';
import { Caches, type ResourceCache } from './cache/index.ts';
import { conversionBy, followDefinitions, withRules } from './crd/index.ts';
import { type Door, type ListenOptions, open } from './http.ts';
import { keepHouse } from './housekeeping.ts';
import { LocalServer } from './local.ts';
import { Metrics } from './metrics.ts';
import { writeAsServer } from './ownwrites.ts';
import { type NodeCredentials, NodeProxy } from './nodeproxy.ts';
import { Proxy } from './proxy/index.ts';
import { Paths } from './paths.ts';
import { tellOfBuild, tellOfProcess, tellOfStored } from './processmetrics.ts';
import { OpenApi } from './publish/openapi.ts';
import { startPresence } from './presence.ts';
import type { Registry, ServiceRanges } from './registry/index.ts';
import { Resources } from './resources.ts';
import { serve, serveUpgrade, type Serving } from './serve.ts';
import type { User } from './request.ts';
import { nodeSummaries, serveUsage, type SummarySource } from './usage/index.ts';
import { WebhookClient } from './webhooks/index.ts';

export interface ApiserverOptions extends ServiceRanges {
  readonly store: Store;
  readonly clock: Clock;
  /** The machine's name, for the Lease that says that the server is there; absent: `localhost`. */
  readonly hostname?: string;
  readonly random: Random;
  readonly signer: TokenSigner;
  /** Other ways to recognise a bearer token, after service account tokens. */
  readonly tokens?: readonly TokenAuthenticator[];
  /** How to reach node agents; without it logs, exec and their like answer 503. */
  readonly nodes?: NodeCredentials;
  /** What nodes use, for the Metrics API; absent: the nodes are asked, if they can be reached. */
  readonly usage?: SummarySource;
  /** How to show itself to servers that APIServices name; without it they cannot tell on whose behalf they are asked. */
  readonly frontProxy?: FrontProxy;
  /** Requests from outside that are served at once, those of the exempt level aside. Absent: 600. */
  readonly seats?: number;
  /** Where counts go; absent: into a set of its own. */
  readonly metrics?: MetricSet;
  /** Records who asked what; absent: nothing is recorded. */
  readonly audit?: Audit;
  /** Whether those who show nothing may ask for a path; absent: for any. */
  anonymous?(path: string): boolean;
  /** Who is asked whether somebody may, in order; absent: Node, then RBAC. The same array is the same chain. */
  authorizers?(): readonly ConfiguredAuthorizer[];
  /** Admission steps to leave out, by name. */
  readonly disabledAdmission?: readonly string[];
  /** Nothing that runs in this cluster is real: no address of a pod or a node is ever called. */
  readonly simulated?: boolean;
  /** Told of every fault of the server's own. */
  failed(error: unknown, id: string): void;
}

export interface Apiserver {
  /** Opens a door. With `advertise`, the `kubernetes` Service leads to it, under that address. */
  listen(options: ListenOptions & { advertise?: string }): Promise<{ port: number }>;
  /** The same server for a part of this process, acting as `user`. */
  local(user: User, userAgent: string): LocalServer;
  /** Cuts connections and watches; the store stays open. */
  close(): Promise<void>;
}

export async function createApiserver(options: ApiserverOptions): Promise<Apiserver> {
  const { store, clock, random } = options;
  let broken: Error | undefined;
  const caches = new Caches(
    store,
    () => clock.now(),
    (error) => {
      broken = error;
      options.failed(error, '');
    },
  );
  const resources = new Resources(kinds.map(withRules), caches);
  const rbacCaches = await followRbac(resources);
  const rbac = new Rbac(rbacCaches.objects);
  rbacCaches.onChange(() => rbac.invalidate());
  const nodes = await followNodes(resources);
  const services = await followServices(resources, options, options);
  const webhooks = new WebhookClient();
  const counted = options.metrics ?? new MetricSet();
  const counts = new AdmissionCounts(counted);
  const chain = new AuthorizerChain(
    authorizersOf({ Node: nodeMember(nodes), RBAC: rbacMember(rbac) }, options.authorizers),
    counted,
  );
  const registry: Registry = {
    store,
    caches,
    resources,
    admission: admissionOf(
      admissionSteps({ webhooks, counts }).filter(({ name }) => !options.disabledAdmission?.includes(name)),
      counts,
      clock,
    ),
    services,
    clock,
    random,
    simulated: options.simulated ?? false,
    authorize: (attributes) => chain.authorize(attributes),
    rulesFor: (user, namespace) => chain.rulesFor(user, namespace),
  };
  await bootstrap(registry, options.serviceCIDR);
  await repairAllocations(registry);
  await followPolicies(registry, (error) => options.failed(error, ''));
  const definitions = await followDefinitions({
    registry,
    clock,
    webhooks: conversionBy(webhooks, registry),
    failed: (error) => options.failed(error, ''),
  });
  const aggregation: Aggregation = await startAggregation({
    registry,
    clock,
    proxy: options.frontProxy,
    metrics: counted,
    failed: (error) => options.failed(error, ''),
  });

  const usage = options.usage ?? (options.nodes && nodeSummaries(options.nodes));
  if (usage !== undefined) serveUsage(registry, usage);
  const find = (resource: string, namespace: string, name: string) =>
    lookup(registry, { group: '', version: 'v1', resource }, namespace, name);
  const tokens = new ServiceAccountTokens(options.signer, clock, random, find, {
    metrics: counted,
    used: (secret, day) => void markUsed(registry, secret, day).catch((error: unknown) => options.failed(error, '')),
  });
  const bootstrapTokens = new BootstrapTokens(
    (namespace, name) => lookup(registry, { group: '', version: 'v1', resource: 'secrets' }, namespace, name),
    clock,
  );
  const metrics = new Metrics({
    set: counted,
    second: () => Math.floor(clock.now() / 1000),
    known: (info) => resources.serves(info),
  });
  tellOfProcess(counted, clock.now());
  tellOfBuild(counted, versionInfo());
  tellOfStored(counted, resources, caches, () => store.revision);
  const fairness = await startFairness({
    registry,
    clock,
    metrics: counted,
    seats: options.seats,
    failed: (error) => options.failed(error, ''),
  });
  const doors: Door[] = [];
  let advertised = '';
  const paths = new Paths({
    resources,
    openapi: new OpenApi(resources),
    metrics: counted,
    tokens,
    version: versionInfo(),
    address: () => advertised,
    checks: [
      { name: 'ping', check: () => undefined },
      { name: 'store', check: () => broken?.message },
    ],
    debug: (page, query) => fairness.page(page, query),
    timeOf: (revision) => caches.times.of(revision),
  });
  const serving: Serving = {
    chain: {
      clock,
      counts: new ChainCounts(counted),
      tokens: [tokens, bootstrapTokens, ...(options.tokens ?? [])],
      authorize: registry.authorize,
      anonymous: options.anonymous,
      proxies: options.frontProxy && { allowedNames: [frontProxyName] },
    },
    verbs: { registry, tokens, others: options.tokens, authorize: registry.authorize, rulesFor: registry.rulesFor },
    paths,
    aggregation,
    nodes: options.nodes && new NodeProxy(registry, options.nodes),
    proxy: new Proxy(registry, options.nodes),
    fairness,
    metrics,
    audit: options.audit,
    clock,
    random,
    failed: options.failed,
  };
  const presence = startPresence(registry, options.hostname ?? 'localhost', (error) => options.failed(error, ''));
  const stopHousekeeping = keepHouse(registry, clock, (error) => options.failed(error, ''));
  return {
    async listen({ advertise, ...where }) {
      const door = await open(
        { ...where, proxyAuthority: options.frontProxy?.authority },
        {
          request: (exchange) => void serve(serving, exchange),
          upgrade: (exchange, socket, head) => void serveUpgrade(serving, exchange, socket, head),
          strange: () => metrics.strangers.add(),
        },
      );
      doors.push(door);
      if (options.frontProxy !== undefined)
        await publishAuthentication(registry, where.clientAuthority, options.frontProxy);
      if (advertise !== undefined) {
        advertised = `${advertise}:${door.port}`;
        await presence.appear(advertise, door.port);
      }
      return { port: door.port };
    },
    local: (user, userAgent) => new LocalServer(serving, user, userAgent),
    async close() {
      await presence.close();
      stopHousekeeping();
      fairness.close();
      definitions.close();
      aggregation.close();
      webhooks.close();
      caches.close();
      await Promise.all(doors.map((door) => door.close()));
    },
  };
}

/** When the token of a Secret was last used, for who wants to be rid of those that are not. */
async function markUsed(registry: Registry, secret: AnyObject, day: string): Promise<void> {
  const served = registry.resources.find('', 'v1', 'secrets')!;
  await writeAsServer(registry, served, secret, (current) => {
    current.metadata.labels = { ...current.metadata.labels, 'kubernetes.io/legacy-token-last-used': day };
    return current;
  });
}

async function followNodes(resources: Resources): Promise<NodeAuthorizer> {
  const [pods, persistentVolumes, volumeAttachments, resourceSlices] = await Promise.all([
    cacheOf(resources, '', 'pods'),
    cacheOf(resources, '', 'persistentvolumes'),
    cacheOf(resources, 'storage.k8s.io', 'volumeattachments'),
    cacheOf(resources, 'resource.k8s.io', 'resourceslices'),
  ]);
  return new NodeAuthorizer({ pods, persistentVolumes, volumeAttachments, resourceSlices });
}

async function followRbac(resources: Resources) {
  const names = ['clusterroles', 'clusterrolebindings', 'roles', 'rolebindings'];
  const caches = await Promise.all(names.map((name) => cacheOf(resources, 'rbac.authorization.k8s.io', name)));
  const [clusterRoles, clusterRoleBindings, roles, roleBindings] = caches.map((cache) => () => objectsOf(cache));
  return {
    objects: {
      clusterRoles: clusterRoles!,
      clusterRoleBindings: clusterRoleBindings!,
      roles: roles!,
      roleBindings: roleBindings!,
    },
    onChange: (call: () => void) => {
      for (const cache of caches) cache.listen({ onEvents: call, onEnd: () => {} });
    },
  };
}

async function cacheOf(resources: Resources, group: string, resource: string): Promise<ResourceCache> {
  const served = resources.find(group, 'v1', resource);
  if (served === undefined) throw new Error(`${resource} of ${JSON.stringify(group)} is not served`);
  return resources.cache(served);
}

function* objectsOf(cache: ResourceCache): Generator<AnyObject> {
  for (const entry of cache.entries.values()) yield entry.object;
}

function versionInfo(): Record<string, string> {
  const [major = '1', minor = '36'] = kubernetesVersion.slice(1).split('.');
  return {
    major,
    minor,
    gitVersion: `${kubernetesVersion}+glasshouse`,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '2026-11-23T00:00:00Z',
    goVersion: '',
    compiler: 'node',
    platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
  };
}

export { authenticate, serviceAccountUser, type TokenAuthenticator, type TokenSigner } from './authn/index.ts';
export { certify, createAuthority, issue, type CertificateRequest, type KeyPair } from './pki/index.ts';
export { certifyRequest, type SigningTerms } from './pki/request.ts';
export type { LocalRequest, LocalServer, LocalWatch } from './local.ts';
export type { ListenOptions } from './http.ts';
export { type EncryptedStore, encryptedStore } from './encryption/index.ts';
export type { JwtConfiguration } from './authn/oidc/index.ts';
export { Audit, type AuditPolicy, auditPolicyOf, RotatingLog } from './audit/index.ts';
export {
  anonymousBy,
  type AuthenticationConfiguration,
  authenticationConfigurationOf,
  providersOf,
} from './authn/configuration.ts';
export { authorizationConfigurationOf, type AuthorizerConfiguration } from './authz/configuration.ts';
export type { ConfiguredAuthorizer } from './authz/index.ts';
export { authorizationWebhook } from './authz/outside.ts';
export { secretTokens } from './authn/secrettoken.ts';
export { WebhookTokens } from './authn/webhook.ts';
export type { Remote } from './authn/remote.ts';
export { frontProxyName, type FrontProxy } from './aggregation/index.ts';
export type { User } from './request.ts';
export { tellOfProcess } from './processmetrics.ts';
export type { SummarySource } from './usage/index.ts';
