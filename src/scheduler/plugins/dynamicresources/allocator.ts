/** Finds devices for claims on one node: depth first, in the order of the requests and of the devices. Pure. */
import type {
  AllocationResult,
  DeviceClass,
  DeviceConstraint,
  DeviceSelector,
  DeviceToleration,
  ExactDeviceRequest,
  ResourceClaim,
} from '../../../api/index.ts';
import { equalJson } from '../../../machinery/index.ts';
import { tolerates } from '../tainttoleration.ts';
import type { Reachable } from './pools.ts';
import { qualified, type Select } from './selectors.ts';
import { consumedCapacity, Stock, type Use } from './stock.ts';

export interface World {
  readonly devices: readonly Reachable[];
  readonly use: Use;
  /** What is left of the counters that devices of a pool share; as `Stock` has it. */
  readonly left: ReadonlyMap<string, bigint>;
  /** Names one claim's share of a device. */
  readonly shareID: () => string;
  readonly classOf: (name: string) => DeviceClass | undefined;
  readonly select: Select;
}

type Asked = Pick<
  ExactDeviceRequest,
  'deviceClassName' | 'selectors' | 'allocationMode' | 'count' | 'adminAccess' | 'tolerations' | 'capacity'
>;

interface Choice {
  readonly request: string;
  readonly asked: Asked;
  readonly device: Reachable;
}

/** So many tries, then the node is given up: the event loop is shared. */
const mostTries = 20_000;
/** As many devices as a claim may have. */
const mostDevices = 32;

/** Undefined: the node has not what they need. Throws an `Error` when an expression, or a request, is wrong. */
export function allocate(
  claims: readonly ResourceClaim[],
  world: World,
): ReadonlyMap<string, AllocationResult> | undefined {
  const held: Held = { taken: new Set(world.use.taken), stock: new Stock(world.use.consumed, world.left) };
  const results = new Map<string, AllocationResult>();
  const budget = { left: mostTries };
  const next = (at: number): boolean => {
    const claim = claims[at];
    if (claim === undefined) return true;
    const chosen: Choice[] = [];
    return forClaim(claim, chosen, held, world, budget, () => {
      results.set(claim.metadata.uid!, resultOf(claim, chosen, world));
      return next(at + 1);
    });
  };
  return next(0) ? results : undefined;
}

interface Held {
  readonly taken: Set<string>;
  readonly stock: Stock;
}

/** Who only looks after devices takes nothing from anybody. False: somebody else has what is needed. */
function take({ asked, device }: Choice, { taken, stock }: Held): boolean {
  if (asked.adminAccess) return true;
  if (taken.has(device.id) || !stock.take(device, asked.capacity)) return false;
  if (!device.device.allowMultipleAllocations) taken.add(device.id);
  return true;
}

function giveBack({ asked, device }: Choice, { taken, stock }: Held): void {
  if (asked.adminAccess) return;
  taken.delete(device.id);
  stock.giveBack(device, asked.capacity);
}

/** Calls `found` with each way to serve the claim, until it is content. */
function forClaim(
  { spec }: ResourceClaim,
  chosen: Choice[],
  held: Held,
  world: World,
  budget: { left: number },
  found: () => boolean,
): boolean {
  const { requests = [], constraints = [] } = spec.devices ?? {};
  const request = (at: number): boolean => {
    const one = requests[at];
    if (one === undefined) return chosen.length <= mostDevices && found();
    const ways = one.exactly
      ? [{ name: one.name, asked: one.exactly as Asked }]
      : (one.firstAvailable ?? []).map((sub) => ({ name: `${one.name}/${sub.name}`, asked: sub as Asked }));
    return ways.some(({ name, asked }) => serve(name, asked, () => request(at + 1)));
  };
  const serve = (name: string, asked: Asked, then: () => boolean): boolean => {
    const fitting = world.devices.filter((device) => fits(asked, device, world));
    const all = asked.allocationMode === 'All';
    if (all && fitting.some(({ id }) => !asked.adminAccess && held.taken.has(id))) return false;
    const count = all ? fitting.length : (asked.count ?? 1);
    if (count === 0 || count > fitting.length || count > mostDevices) return false;
    const pick = (from: number, missing: number): boolean => {
      if (missing === 0) return then();
      for (let i = from; i <= fitting.length - missing; i++) {
        if (--budget.left < 0) return false;
        const device = fitting[i]!;
        const choice = { request: name, asked, device };
        if (!constraints.every((rule) => agrees(rule, choice, chosen)) || !take(choice, held)) continue;
        chosen.push(choice);
        if (pick(i + 1, missing - 1)) return true;
        chosen.pop();
        giveBack(choice, held);
      }
      return false;
    };
    return pick(0, count);
  };
  return request(0);
}

function fits(asked: Asked, { driver, device }: Reachable, { classOf, select }: World): boolean {
  const ofClass = classOf(asked.deviceClassName)?.spec.selectors;
  const chosen = (selectors: readonly DeviceSelector[] = []) =>
    selectors.every(({ cel }) => cel === undefined || select(cel.expression, driver, device));
  return isTolerated(device.taints, asked.tolerations) && chosen(ofClass) && chosen(asked.selectors);
}

function isTolerated(taints: Reachable['device']['taints'], tolerations: readonly DeviceToleration[] = []): boolean {
  return (taints ?? []).every(
    (taint) =>
      taint.effect === 'None' ||
      tolerations.some((one) =>
        tolerates(one as Parameters<typeof tolerates>[0], taint as Parameters<typeof tolerates>[1]),
      ),
  );
}

function agrees(rule: DeviceConstraint, choice: Choice, chosen: readonly Choice[]): boolean {
  const concerns = ({ request }: Choice) =>
    !rule.requests?.length || rule.requests.some((name) => name === request || request.startsWith(`${name}/`));
  if (!concerns(choice)) return true;
  const name = rule.matchAttribute ?? rule.distinctAttribute;
  // a rule that is not known cannot be kept
  if (name === undefined) return false;
  const value = attributeOf(choice.device, name);
  if (value === undefined) return false;
  const others = chosen.filter(concerns).map(({ device }) => attributeOf(device, name));
  return others.every((other) => equalJson(other, value) === (rule.matchAttribute !== undefined));
}

function attributeOf({ driver, device }: Reachable, name: string): object | undefined {
  const wanted = qualified(driver, name).join('/');
  for (const [key, value] of Object.entries(device.attributes ?? {}))
    if (qualified(driver, key).join('/') === wanted) return value;
  return undefined;
}

function resultOf({ spec }: ResourceClaim, chosen: readonly Choice[], { classOf, shareID }: World): AllocationResult {
  const results = chosen.map(({ request, asked, device: { driver, pool, device } }) => ({
    request,
    driver,
    pool,
    device: device.name,
    ...(asked.adminAccess && { adminAccess: true }),
    ...(asked.tolerations?.length && { tolerations: asked.tolerations }),
    ...(device.allowMultipleAllocations && {
      shareID: shareID(),
      consumedCapacity: consumedCapacity(device, asked.capacity),
    }),
  }));
  const byRequest = new Map(chosen.map(({ request, asked }) => [request, asked.deviceClassName]));
  const ofClasses = [...byRequest].flatMap(([request, name]) =>
    (classOf(name)?.spec.config ?? []).map((config) => ({ source: 'FromClass', requests: [request], ...config })),
  );
  const ofClaim = (spec.devices?.config ?? []).map((config) => ({ source: 'FromClaim', ...config }));
  const config = [...ofClasses, ...ofClaim];
  const nodeSelector = together(chosen);
  return {
    devices: { results, ...(config.length > 0 && { config }) },
    ...(nodeSelector && { nodeSelector }),
  } as AllocationResult;
}

/** Where all of them can be reached: on one node, if one of them is only there. */
function together(chosen: readonly Choice[]): AllocationResult['nodeSelector'] {
  const selectors = chosen.flatMap(({ device }) => device.nodeSelector ?? []);
  const local = selectors.find(({ nodeSelectorTerms: [term] }) => term?.matchFields?.[0]?.key === 'metadata.name');
  if (local !== undefined || selectors.length <= 1) return local ?? selectors[0];
  return selectors.reduce((both, one) => ({
    nodeSelectorTerms: both.nodeSelectorTerms.flatMap((a) =>
      one.nodeSelectorTerms.map((b) => ({
        matchExpressions: [...(a.matchExpressions ?? []), ...(b.matchExpressions ?? [])],
        ...((a.matchFields || b.matchFields) && { matchFields: [...(a.matchFields ?? []), ...(b.matchFields ?? [])] }),
      })),
    ),
  }));
}
