/** Says of every FlowSchema whether the level that it names is there: its condition `Dangling`. */
import type { FlowSchema, FlowSchemaCondition } from '../../api/index.ts';
import { type AnyObject, type Clock, formatTime } from '../../machinery/index.ts';
import { writeAsServer } from '../ownwrites.ts';
import type { Registry } from '../registry/index.ts';
import type { Followed } from './followed.ts';

/** Two servers of different minds would never come to an end. */
const writesPerMinute = 6;

export function condition(level: string, found: boolean): FlowSchemaCondition {
  const names = `This FlowSchema references the PriorityLevelConfiguration object named ${JSON.stringify(level)}`;
  return found
    ? { type: 'Dangling', status: 'False', reason: 'Found', message: `${names} and it exists` }
    : { type: 'Dangling', status: 'True', reason: 'NotFound', message: `${names} but there is no such object` };
}

export class Dangling {
  readonly #registry: Registry;
  readonly #schemas: Followed;
  readonly #clock: Clock;
  readonly #writes = new Map<string, number[]>();

  constructor(registry: Registry, schemas: Followed, clock: Clock) {
    this.#registry = registry;
    this.#schemas = schemas;
    this.#clock = clock;
  }

  /** Writes it where it is not said yet, or not any more true. */
  async tell(levels: ReadonlySet<string>): Promise<void> {
    const wrong = Array.from(this.#schemas.cache.entries.values()).flatMap(({ object }) => {
      const { spec, status } = object as FlowSchema;
      const level = spec.priorityLevelConfiguration.name;
      const told = condition(level, levels.has(level));
      const known = status?.conditions?.find(({ type }) => type === told.type);
      const right = known?.status === told.status && known?.reason === told.reason && known?.message === told.message;
      return right || !this.#mayWrite(object.metadata.name!) ? [] : [{ object, told }];
    });
    await Promise.all(wrong.map(({ object, told }) => this.#write(object, told)));
  }

  #write(object: AnyObject, told: FlowSchemaCondition): Promise<void> {
    const lastTransitionTime = formatTime(this.#clock.now());
    return writeAsServer(this.#registry, this.#schemas.served, object, (current) => {
      const conditions: FlowSchemaCondition[] = current.status?.conditions ?? [];
      const others = conditions.filter(({ type }) => type !== told.type);
      return { ...current, status: { ...current.status, conditions: [...others, { ...told, lastTransitionTime }] } };
    });
  }

  #mayWrite(name: string): boolean {
    const now = this.#clock.now();
    const recent = (this.#writes.get(name) ?? []).filter((at) => now - at < 60_000);
    if (recent.length < writesPerMinute) recent.push(now);
    else return false;
    this.#writes.set(name, recent);
    return true;
  }
}
