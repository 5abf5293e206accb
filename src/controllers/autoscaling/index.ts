/**
 * HorizontalPodAutoscaler: as many replicas as what they use asks for. Every fifteen seconds it looks at what is measured, proposes a number for
 * each measure, takes the highest, and follows it as fast and as far as the autoscaler allows.
 */
import {
  customResourceDefinitions,
  type HorizontalPodAutoscaler,
  type HorizontalPodAutoscalerCondition,
  horizontalPodAutoscalers,
  kinds,
  type MetricStatus,
  type Pod,
  pods,
  type Scale,
} from '../../api/index.ts';
import type { Controller, ReconcileContext } from '../../client/index.ts';
import {
  type AnyObject,
  cloneJson,
  equalJson,
  formatTime,
  isStatusError,
  keyOf,
  parseSelector,
  quantityMilliValue,
  type Resource,
  type Selector,
} from '../../machinery/index.ts';
import { History } from './behavior.ts';
import { type Measured, MeasureError, measure } from './measure.ts';

const period = 15_000;
const tolerance = 0.1;

type Status = NonNullable<HorizontalPodAutoscaler['status']>;

/** One pass over one autoscaler: what it finds out, and what it will write. */
interface Pass {
  readonly autoscaler: HorizontalPodAutoscaler;
  readonly status: Status;
  readonly context: ReconcileContext;
  readonly selectors: Map<string, Selector>;
}

export function horizontalPodAutoscaler(): Controller<HorizontalPodAutoscaler> {
  const histories = new Map<string, History>();
  /** Which pods each autoscaler measures, by its key. */
  const selectors = new Map<string, Selector>();
  const forget = (key: string) => {
    histories.delete(key);
    selectors.delete(key);
  };
  return {
    name: 'horizontal-pod-autoscaler',
    for: horizontalPodAutoscalers,
    when: (old, autoscaler) => old === undefined || autoscaler === undefined || !equalJson(old.spec, autoscaler.spec),
    reads: [pods, customResourceDefinitions],
    async reconcile(key, context) {
      const autoscaler = context.lister(horizontalPodAutoscalers).get(key);
      if (autoscaler === undefined || autoscaler.metadata.deletionTimestamp !== undefined) return forget(key);
      const status = cloneJson(autoscaler.status ?? { desiredReplicas: 0 });
      try {
        await scale({ autoscaler, status, context, selectors }, key, histories);
      } finally {
        if (!equalJson(status, autoscaler.status ?? {})) await write(autoscaler, status, context);
      }
      return { requeueAfter: period };
    },
  };
}

async function write(
  autoscaler: HorizontalPodAutoscaler,
  status: Status,
  { client, events }: ReconcileContext,
): Promise<void> {
  try {
    await client.update(horizontalPodAutoscalers, { ...autoscaler, status }, { subresource: 'status' });
  } catch (error) {
    if (isStatusError(error, 'NotFound', 'Conflict')) return;
    events.event(autoscaler, 'Warning', 'FailedUpdateStatus', textOf(error));
    throw error;
  }
}

async function scale(pass: Pass, key: string, histories: Map<string, History>): Promise<void> {
  const { autoscaler, status, context } = pass;
  const { client, clock, events } = context;
  const { namespace } = autoscaler.metadata;
  const { scaleTargetRef, minReplicas: least = 1, maxReplicas: most } = autoscaler.spec;
  const ref = { namespace: namespace!, name: scaleTargetRef.name };
  let resource: Resource;
  let target: Scale;
  try {
    resource = resourceOf(scaleTargetRef, context);
    target = (await client.get(resource, ref, { subresource: 'scale' })) as Scale;
  } catch (error) {
    const message = textOf(error);
    events.event(autoscaler, 'Warning', 'FailedGetScale', message);
    set(
      pass,
      'AbleToScale',
      false,
      'FailedGetScale',
      `the HPA controller was unable to get the target's current scale: ${message}`,
    );
    return;
  }
  set(pass, 'AbleToScale', true, 'SucceededGetScale', "the HPA controller was able to get the target's current scale");
  const current = target.spec?.replicas ?? 0;
  let history = histories.get(key);
  if (history === undefined) histories.set(key, (history = new History(current, clock.now())));
  status.currentReplicas = current;
  let desired: number;
  let why: string;
  if (current === 0) {
    set(
      pass,
      'ScalingActive',
      false,
      'ScalingDisabled',
      'scaling is disabled since the replica count of the target is zero',
    );
    status.desiredReplicas = 0;
    delete status.currentMetrics;
    return;
  }
  if (current > most) [desired, why] = [most, 'Current number of replicas above Spec.MaxReplicas'];
  else if (current < least) [desired, why] = [least, 'Current number of replicas below Spec.MinReplicas'];
  else {
    const found = await proposal(pass, target, current);
    if (found === undefined) return;
    why = found.replicas > current ? `${found.name} above target` : 'All metrics below target';
    const normalized = history.normalize(autoscaler.spec, current, found.replicas, clock.now());
    desired = normalized.replicas;
    set(pass, 'AbleToScale', true, normalized.able.reason, normalized.able.message);
    set(pass, 'ScalingLimited', normalized.limited.is, normalized.limited.reason, normalized.limited.message);
  }
  status.desiredReplicas = desired;
  if (desired === current) return;
  try {
    await rescale(resource, ref, target, desired, context);
  } catch (error) {
    const message = textOf(error);
    events.event(autoscaler, 'Warning', 'FailedRescale', `New size: ${desired}; reason: ${why}; error: ${message}`);
    set(
      pass,
      'AbleToScale',
      false,
      'FailedUpdateScale',
      `the HPA controller was unable to update the target scale: ${message}`,
    );
    status.desiredReplicas = autoscaler.status?.desiredReplicas ?? 0;
    return;
  }
  set(
    pass,
    'AbleToScale',
    true,
    'SucceededRescale',
    `the HPA controller was able to update the target scale to ${desired}`,
  );
  events.event(autoscaler, 'Normal', 'SuccessfulRescale', `New size: ${desired}; reason: ${why}`);
  history.changed(current, desired, clock.now());
  status.lastScaleTime = formatTime(clock.now());
}

const attempts = 5;

/** Whoever changed the target meanwhile is heard, and the size written all the same. */
async function rescale(
  resource: Resource,
  ref: { name: string; namespace: string },
  target: Scale,
  replicas: number,
  { client }: ReconcileContext,
): Promise<void> {
  let latest = target;
  for (let attempt = 1; ; attempt++) {
    const next = { ...latest, spec: { ...latest.spec, replicas } } as AnyObject;
    try {
      await client.update(resource as Resource<AnyObject>, next, { subresource: 'scale' });
      return;
    } catch (error) {
      if (!isStatusError(error, 'Conflict') || attempt === attempts) throw error;
      latest = (await client.get(resource, ref, { subresource: 'scale' })) as Scale;
    }
  }
}

/** The highest that any measure asks for. Undefined: none can be had, or one cannot that might ask for more. */
async function proposal(
  pass: Pass,
  target: Scale,
  current: number,
): Promise<{ replicas: number; name: string } | undefined> {
  const { autoscaler, status, context } = pass;
  const { events } = context;
  const selector = selectorOf(pass, target);
  if (selector === undefined) return undefined;
  const { metrics = [], behavior } = autoscaler.spec;
  const tolerances = {
    scaleDown: toleranceOf(behavior?.scaleDown?.tolerance),
    scaleUp: toleranceOf(behavior?.scaleUp?.tolerance),
  };
  const namespace = autoscaler.metadata.namespace!;
  const some = context.lister<Pod>(pods).list({ namespace, selector });
  const situation = { current, pods: some, tolerances, now: context.clock.now() };
  const asked = { namespace, selector, situation, replicas: target.status?.replicas ?? 0, client: context.client };
  const statuses: MetricStatus[] = [];
  let best: Measured | undefined;
  let failed: MeasureError | undefined;
  let failures = 0;
  for (const metric of metrics) {
    try {
      const measured = await measure(metric, asked, (kind, apiVersion) => nameOf(kind, apiVersion, context));
      statuses.push(measured.status);
      if (best === undefined || measured.replicas > best.replicas) best = measured;
    } catch (error) {
      if (!(error instanceof MeasureError)) throw error;
      events.event(autoscaler, 'Warning', error.reason, error.message);
      failures++;
      failed ??= error;
    }
  }
  if (statuses.length > 0) status.currentMetrics = statuses;
  else delete status.currentMetrics;
  if (failed !== undefined && (best === undefined || best.replicas < current)) {
    set(
      pass,
      'ScalingActive',
      false,
      failed.reason,
      `the HPA was unable to compute the replica count: ${failed.message}`,
    );
    events.event(
      autoscaler,
      'Warning',
      'FailedComputeMetricsReplicas',
      `invalid metrics (${failures} invalid out of ${metrics.length}), first error is: ${failed.message}`,
    );
    return undefined;
  }
  if (best === undefined) return undefined;
  set(
    pass,
    'ScalingActive',
    true,
    'ValidMetricFound',
    `the HPA was able to successfully calculate a replica count from ${best.name}`,
  );
  return best;
}

function toleranceOf(quantity: string | undefined): number {
  return quantity === undefined ? tolerance : quantityMilliValue(quantity) / 1000;
}

function selectorOf(pass: Pass, target: Scale): Selector | undefined {
  const { autoscaler, context } = pass;
  const text = target.status?.selector ?? '';
  const refuse = (reason: string, message: string, condition = message, event = reason) => {
    context.events.event(autoscaler, 'Warning', event, message);
    context.events.event(autoscaler, 'Warning', 'FailedComputeMetricsReplicas', message);
    set(pass, 'ScalingActive', false, reason, condition);
    return undefined;
  };
  if (text === '')
    return refuse(
      'InvalidSelector',
      'selector is required',
      "the HPA target's scale is missing a selector",
      'SelectorRequired',
    );
  let selector: Selector;
  try {
    selector = parseSelector(text);
  } catch (error) {
    const message = `couldn't convert selector into a corresponding internal selector object: ${textOf(error)}`;
    return refuse('InvalidSelector', message);
  }
  const rivals = rivalsFor(pass, selector);
  if (rivals.length < 2) return selector;
  return refuse('AmbiguousSelector', `pods by selector ${text} are controlled by multiple HPAs: [${rivals.join(' ')}]`);
}

/** The autoscalers, this one included, that measure the same pods: they would pull against each other. */
function rivalsFor({ autoscaler, context, selectors }: Pass, selector: Selector): string[] {
  const { namespace } = autoscaler.metadata;
  selectors.set(keyOf(autoscaler), selector);
  const others = Array.from(selectors).filter(([key]) => key.startsWith(`${namespace}/`));
  if (others.length < 2) return [];
  const some = context.lister<Pod>(pods).list({ namespace, selector });
  return others
    .filter(([, other]) => some.some(({ metadata }) => other.matches(metadata.labels)))
    .map(([key]) => key)
    .toSorted();
}

/** The resource of a kind that can be scaled. */
function resourceOf(
  { apiVersion = '', kind }: { apiVersion?: string; kind: string },
  context: ReconcileContext,
): Resource {
  const group = apiVersion.includes('/') ? apiVersion.split('/')[0]! : '';
  const builtIn = kinds.filter((one) => one.group === group && one.kind === kind);
  const found = builtIn.find((one) => one.subresources.scale !== undefined) ?? builtIn[0];
  if (found !== undefined) return found;
  const custom = context
    .lister(customResourceDefinitions)
    .list()
    .find(({ spec }) => spec.group === group && spec.names.kind === kind);
  if (custom === undefined) throw new Error(`no matches for kind "${kind}" in group "${group}"`);
  const { versions, names, scope } = custom.spec;
  const version = versions.find((one) => one.served && one.subresources?.scale) ?? versions.find((one) => one.served);
  return { group, version: version!.name, resource: names.plural, kind, namespaced: scope === 'Namespaced' };
}

/** `ingresses.networking.k8s.io` of an Ingress. */
function nameOf(kind: string, apiVersion: string | undefined, context: ReconcileContext): string {
  const { group, resource } = resourceOf({ apiVersion, kind }, context);
  return group === '' ? resource : `${resource}.${group}`;
}

function set({ status, context }: Pass, type: string, is: boolean, reason: string, message: string): void {
  const conditions = (status.conditions ??= []);
  const value = is ? 'True' : 'False';
  let condition: HorizontalPodAutoscalerCondition | undefined = conditions.find((one) => one.type === type);
  if (condition === undefined) conditions.push((condition = { type, status: '' }));
  if (condition.status !== value) condition.lastTransitionTime = formatTime(context.clock.now());
  Object.assign(condition, { status: value, reason, message });
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
