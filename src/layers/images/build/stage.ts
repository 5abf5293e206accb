/** One stage of a build while it grows: its configuration, its layers, and the variables that its instructions see. */
import type { ContainerDefaults, ImageConfig } from '../spec.ts';
import type { Instruction } from './dockerfile.ts';
import type { BuiltLayer } from './layer.ts';
import { expand, type Lookup } from './words.ts';

export interface Stage {
  config: ContainerDefaults;
  layers: BuiltLayer[];
  history: NonNullable<ImageConfig['history']>;
  /** Values of ARGs declared in this stage. */
  args: Map<string, string>;
  /** CMD was given here, not inherited. */
  ownCmd: boolean;
}

export const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export function newStage(): Stage {
  return { config: { Env: [`PATH=${defaultPath}`] }, layers: [], history: [], args: new Map(), ownCmd: false };
}

/** A stage that goes on from another: later changes of one are not seen by the other. */
export function stageFrom(base: Pick<Stage, 'config' | 'layers' | 'history'>): Stage {
  return {
    config: structuredClone(base.config),
    layers: [...base.layers],
    history: [...base.history],
    args: new Map(),
    ownCmd: false,
  };
}

/** ENV wins over ARG. */
export function lookupOf(stage: Stage): Lookup {
  return (name) => envOf(stage, name) ?? stage.args.get(name);
}

function envOf(stage: Stage, name: string): string | undefined {
  return stage.config.Env?.find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1);
}

export function setEnv(stage: Stage, name: string, value: string): void {
  const list = stage.config.Env ?? [];
  const at = list.findIndex((each) => each.startsWith(`${name}=`));
  stage.config.Env = at < 0 ? [...list, `${name}=${value}`] : list.with(at, `${name}=${value}`);
}

export function expanded(stage: Stage, instruction: Instruction, escape: string): string {
  return expand(instruction.rest, lookupOf(stage), escape);
}

export function shellOf(stage: Stage): string[] {
  return stage.config.Shell ?? ['/bin/sh', '-c'];
}

/** The exec form as it is, the shell form through the shell. */
export function commandOf(stage: Stage, instruction: Instruction): string[] {
  return instruction.list ?? [...shellOf(stage), instruction.rest];
}
