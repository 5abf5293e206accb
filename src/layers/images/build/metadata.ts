/** The instructions that change an image's configuration and no file. */
import path from 'node:path';
import type { HealthConfig } from '../spec.ts';
import { DockerfileError, type Instruction } from './dockerfile.ts';
import { commandOf, expanded, type Stage, setEnv } from './stage.ts';
import { pairs, words } from './words.ts';

type Step = (stage: Stage, instruction: Instruction, escape: string) => void;

/** JSON list or words, variables replaced. */
function listOf(stage: Stage, instruction: Instruction, escape: string): string[] {
  const text = expanded(stage, instruction, escape);
  return instruction.list ? (JSON.parse(text) as string[]) : words(text, escape);
}

/** Where a path of an instruction leads: relative ones from the working directory. */
export function fromWorkdir(stage: Stage, to: string): string {
  return path.posix.resolve('/', stage.config.WorkingDir || '/', to);
}

export const metadata: Readonly<Record<string, Step>> = {
  ENV(stage, instruction, escape) {
    for (const [name, value] of pairs(expanded(stage, instruction, escape), escape)) setEnv(stage, name, value);
  },
  LABEL(stage, instruction, escape) {
    for (const [name, value] of pairs(expanded(stage, instruction, escape), escape))
      stage.config.Labels = { ...stage.config.Labels, [name]: value };
  },
  USER(stage, instruction, escape) {
    stage.config.User = expanded(stage, instruction, escape);
  },
  EXPOSE(stage, instruction, escape) {
    for (const word of words(expanded(stage, instruction, escape), escape))
      for (const port of portsOf(word, instruction.line))
        stage.config.ExposedPorts = { ...stage.config.ExposedPorts, [port]: {} };
  },
  VOLUME(stage, instruction, escape) {
    for (const volume of listOf(stage, instruction, escape))
      stage.config.Volumes = { ...stage.config.Volumes, [volume]: {} };
  },
  STOPSIGNAL(stage, instruction, escape) {
    stage.config.StopSignal = expanded(stage, instruction, escape);
  },
  SHELL(stage, instruction) {
    if (!instruction.list || instruction.list.length === 0)
      throw new DockerfileError(instruction.line, 'SHELL needs a JSON list, such as ["/bin/bash", "-c"]');
    stage.config.Shell = instruction.list;
  },
  ENTRYPOINT(stage, instruction) {
    stage.config.Entrypoint = commandOf(stage, instruction);
    if (!stage.ownCmd) delete stage.config.Cmd;
  },
  CMD(stage, instruction) {
    stage.config.Cmd = commandOf(stage, instruction);
    stage.ownCmd = true;
  },
  HEALTHCHECK(stage, instruction) {
    stage.config.Healthcheck = healthOf(instruction);
  },
  MAINTAINER(stage, instruction) {
    stage.config.Labels = { ...stage.config.Labels, maintainer: instruction.rest };
  },
  ONBUILD(_stage, instruction) {
    throw new DockerfileError(
      instruction.line,
      'ONBUILD is not supported: write what it should do into the Dockerfile that builds on this image',
    );
  },
};

function portsOf(word: string, line: number): string[] {
  const found = /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/i.exec(word);
  const [first, last] = [Number(found?.[1]), Number(found?.[2] ?? found?.[1])];
  if (!found || first < 1 || last > 65535 || last < first)
    throw new DockerfileError(line, `EXPOSE ${JSON.stringify(word)} is not a port such as 8080, 8080/udp or 8000-8010`);
  return Array.from({ length: last - first + 1 }, (_, at) => `${first + at}/${(found[3] ?? 'tcp').toLowerCase()}`);
}

const units: Record<string, number> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

function nanoseconds(text: string | undefined, line: number): number | undefined {
  if (text === undefined) return undefined;
  const pieces = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)];
  if (pieces.length === 0 || pieces.map((piece) => piece[0]).join('') !== text)
    throw new DockerfileError(line, `${JSON.stringify(text)} is not a duration such as 30s or 1m30s`);
  return pieces.reduce((sum, [, number, unit]) => sum + Number(number) * (units[unit ?? ''] ?? 0), 0);
}

function healthOf(instruction: Instruction): HealthConfig {
  if (/^none$/i.test(instruction.rest)) return { Test: ['NONE'] };
  const found = /^cmd\s+(.*)$/is.exec(instruction.rest);
  if (!found) throw new DockerfileError(instruction.line, 'HEALTHCHECK needs CMD and a command, or NONE');
  const command = found[1] ?? '';
  const list = command.startsWith('[') ? (JSON.parse(command) as string[]) : undefined;
  const health: HealthConfig = { Test: list ? ['CMD', ...list] : ['CMD-SHELL', command] };
  const { flags, line } = instruction;
  const durations = {
    Interval: 'interval',
    Timeout: 'timeout',
    StartPeriod: 'start-period',
    StartInterval: 'start-interval',
  } as const;
  for (const [field, flag] of Object.entries(durations) as [keyof typeof durations, string][]) {
    const value = nanoseconds(flags.get(flag), line);
    if (value !== undefined) health[field] = value;
  }
  if (flags.has('retries')) health.Retries = Number(flags.get('retries'));
  return health;
}
