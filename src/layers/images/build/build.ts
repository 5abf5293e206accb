/**
 * From a folder to an image, without a container engine: reads what the folder is, performs its instructions, and stores the
 * result. The same inputs give the same image. Steps are remembered by what they depend on.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { chainOf, describe, type Image } from '../catalog.ts';
import { ImageError, messageOf } from '../errors.ts';
import type { Images } from '../images.ts';
import { formatPlatform, parsePlatform } from '../platform.ts';
import { formatReference, parseReference } from '../reference.ts';
import type { RegistryAuth } from '../registry/credentials.ts';
import { type ImageConfig, type Manifest, mediaTypes } from '../spec.ts';
import { tarEntry } from '../tar/write.ts';
import { type CopySource, planCopy } from './copy.ts';
import { detect, type Plan } from './detect.ts';
import { DockerfileError, type Instruction, parseDockerfile } from './dockerfile.ts';
import { FileTables } from './files.ts';
import { identityOf, runtimeParts } from './hostbase.ts';
import { type BuiltLayer, keyOf, makeLayer, StepCache } from './layer.ts';
import { fromWorkdir, metadata } from './metadata.ts';
import { parseIgnore } from './patterns.ts';
import { type RunCommand, runArgv, runStep, sweepBuilds, withRootfs } from './run.ts';
import { expanded, lookupOf, newStage, type Stage, stageFrom } from './stage.ts';
import { expand, pairs, words } from './words.ts';

export interface BuildOptions {
  images: Images;
  /** A folder, or one program. */
  context: string;
  /** Relative to the context; found by itself when it is called `Dockerfile`. */
  dockerfile?: string;
  /** What the image is called. */
  name: string;
  /** Image that a Node app, static folder or program is put on, instead of one made from this machine's own. */
  base?: string;
  /** Stage to build; the last unless told. */
  target?: string;
  buildArgs?: Readonly<Record<string, string>>;
  auths?: readonly RegistryAuth[];
  /** Performs RUN. Absent: a Dockerfile with RUN is refused. */
  run?: RunCommand;
  /** Seconds since the epoch for all files and the image (SOURCE_DATE_EPOCH); files are of 1980 unless told. */
  sourceDateEpoch?: number;
  /** Perform every step even when its result is known. */
  noCache?: boolean;
  /** The Node binary of the host's base; this process's own unless told. */
  node?: string;
  signal?: AbortSignal;
  /** One line for every step. */
  onProgress?: (line: string) => void;
}

const defaultTime = 315_532_800;

/** Resolves with the stored, named and unpacked image. Rejects with a sentence that names the line, or the file, and the way out. */
export async function buildImage(options: BuildOptions): Promise<Image> {
  const reference = parseReference(options.name);
  if (reference.digest)
    throw new ImageError(
      'InvalidImageName',
      `${JSON.stringify(options.name)} is a digest: an image that is built gets a tag`,
    );
  const { images } = options;
  return await images.leases.during(async () => {
    await sweepBuilds(images);
    const stage = await new Build(options, await detect(options.context, options.dockerfile, options.base)).result();
    const target = await store(images, stage, options.sourceDateEpoch);
    const image = await images.catalog.load(target);
    await images.rootfs.unpack(image.id, chainOf(image), options.signal);
    await images.nameImage(reference, target);
    return (
      (await images.catalog.status(formatReference(reference))) ??
      describe({ image, names: [formatReference(reference)] })
    );
  });
}

async function store(images: Images, stage: Stage, epoch: number | undefined) {
  const config: ImageConfig = {
    ...(epoch !== undefined && { created: new Date(epoch * 1000).toISOString() }),
    ...images.platform,
    config: stage.config,
    rootfs: { type: 'layers', diff_ids: stage.layers.map((layer) => layer.diffId) },
    history: stage.history,
  };
  const stored = await images.store.ingestBytes(Buffer.from(JSON.stringify(config)));
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: { mediaType: mediaTypes.config, ...stored },
    layers: stage.layers.map((layer) => layer.descriptor),
  };
  return { mediaType: mediaTypes.manifest, ...(await images.store.ingestBytes(Buffer.from(JSON.stringify(manifest)))) };
}

interface StagePlan {
  name: string;
  from: Instruction;
  instructions: Instruction[];
}

class Build {
  readonly #options: BuildOptions;
  readonly #plan: Plan;
  readonly #escape: string;
  readonly #stages: StagePlan[] = [];
  readonly #globals = new Map<string, string>();
  readonly #done = new Map<StagePlan, Promise<Stage>>();
  readonly #tables: FileTables;
  readonly #cache: StepCache;
  readonly #mtime: number;

  constructor(options: BuildOptions, plan: Plan) {
    this.#options = options;
    this.#plan = plan;
    this.#tables = new FileTables(options.images.store);
    this.#cache = new StepCache(options.images.store);
    this.#mtime = options.sourceDateEpoch ?? defaultTime;
    const { instructions, escape } = parseDockerfile(plan.dockerfile);
    this.#escape = escape;
    const platform = formatPlatform(options.images.platform);
    for (const key of ['TARGETPLATFORM', 'BUILDPLATFORM']) this.#globals.set(key, platform);
    for (const key of ['TARGET', 'BUILD']) {
      this.#globals.set(`${key}OS`, options.images.platform.os);
      this.#globals.set(`${key}ARCH`, options.images.platform.architecture);
    }
    for (const instruction of instructions) this.#sort(instruction);
    if (this.#stages.length === 0) throw new DockerfileError(1, 'there is no FROM');
  }

  #sort(instruction: Instruction): void {
    const { rest, line, name } = instruction;
    const current = this.#stages.at(-1);
    if (name === 'FROM') {
      const found = /^(\S+)(?:\s+as\s+([a-z][a-z0-9._-]*))?$/i.exec(rest);
      if (!found)
        throw new DockerfileError(line, `FROM ${JSON.stringify(rest)} is not of the form "image" or "image AS name"`);
      this.#stages.push({
        name: (found[2] ?? '').toLowerCase(),
        from: { ...instruction, rest: found[1] ?? '' },
        instructions: [],
      });
    } else if (current) current.instructions.push(instruction);
    else if (name === 'ARG') this.#declare(this.#globals, instruction, (key) => this.#globals.get(key));
    else throw new DockerfileError(line, `${name} comes before the first FROM; only ARG may`);
  }

  #declare(into: Map<string, string>, instruction: Instruction, lookup: (name: string) => string | undefined): void {
    for (const word of words(expand(instruction.rest, lookup, this.#escape), this.#escape)) {
      const [[name = '', value]] = word.includes('=') ? (pairs(word) as [[string, string]]) : [[word, undefined]];
      const given = this.#options.buildArgs?.[name] ?? (into === this.#globals ? undefined : this.#globals.get(name));
      const chosen = this.#options.buildArgs?.[name] ?? value ?? given;
      if (chosen !== undefined) into.set(name, chosen);
    }
  }

  async result(): Promise<Stage> {
    const { target } = this.#options;
    const wanted = target === undefined ? this.#stages.at(-1) : this.#named(target, this.#stages.length);
    if (!wanted) throw new ImageError('ErrImagePull', `the Dockerfile has no stage ${JSON.stringify(target)}`);
    this.#say(this.#plan.kind);
    return await this.#stage(wanted);
  }

  #say(line: string): void {
    this.#options.onProgress?.(line);
  }

  /** An earlier stage by name or number. */
  #named(name: string, before: number): StagePlan | undefined {
    const earlier = this.#stages.slice(0, before);
    return (
      earlier.findLast((each) => each.name !== '' && each.name === name.toLowerCase()) ??
      (/^\d+$/.test(name) ? earlier[Number(name)] : undefined)
    );
  }

  /** Only stages that are needed are built, each once. */
  #stage(plan: StagePlan): Promise<Stage> {
    let done = this.#done.get(plan);
    if (!done) {
      done = this.#perform(plan);
      this.#done.set(plan, done);
    }
    return done;
  }

  async #perform(plan: StagePlan): Promise<Stage> {
    const stage = await this.#begin(plan);
    for (const instruction of plan.instructions) {
      this.#options.signal?.throwIfAborted();
      try {
        await this.#step(stage, instruction, plan);
      } catch (error) {
        if (error instanceof DockerfileError || error instanceof ImageError || this.#options.signal?.aborted)
          throw error;
        throw new DockerfileError(instruction.line, `${instruction.name}: ${messageOf(error)}`);
      }
    }
    return stage;
  }

  async #begin(plan: StagePlan): Promise<Stage> {
    const { from } = plan;
    const lookup = (name: string) => this.#globals.get(name);
    const name = expand(from.rest, lookup, this.#escape);
    if (name === '')
      throw new DockerfileError(
        from.line,
        `FROM ${from.rest} names nothing: give the ARG a default, or a value to the build`,
      );
    const platform = from.flags.get('platform');
    if (platform !== undefined) this.#checkPlatform(expand(platform, lookup, this.#escape), from);
    this.#say(`FROM ${name}`);
    if (name === 'scratch') return newStage();
    if (name === 'host' && this.#plan.kind !== 'Dockerfile') return await this.#host();
    const earlier = this.#named(name, this.#stages.indexOf(plan));
    return earlier ? stageFrom(await this.#stage(earlier)) : stageFrom(await this.#image(name));
  }

  #checkPlatform(text: string, from: Instruction): void {
    const ours = formatPlatform(this.#options.images.platform);
    if (formatPlatform(parsePlatform(text)) !== ours)
      throw new DockerfileError(
        from.line,
        `FROM --platform=${text} is not supported here: this machine builds for ${ours}`,
      );
  }

  /** An image that is here, or else from its registry. */
  async #image(name: string): Promise<Stage> {
    const { images, auths, signal } = this.#options;
    if (!(await images.imageStatus(name)))
      await images.pullImage(name, { ...(auths && { auths }), ...(signal && { signal }) });
    const image = await images.catalog.find(name);
    if (!image) throw new ImageError('ErrImagePull', `image ${name} is not in the store after it was pulled`);
    for (const layer of image.manifest.layers) await images.store.claim(layer.digest);
    const layers = chainOf(image).map(({ diffId }, at) => ({
      descriptor: image.manifest.layers[at] as BuiltLayer['descriptor'],
      diffId,
    }));
    return { ...newStage(), config: image.config.config ?? {}, layers, history: image.config.history ?? [] };
  }

  async #host(): Promise<Stage> {
    const stage = newStage();
    const node = this.#options.node ?? process.execPath;
    const program = this.#plan.program ?? { from: node, to: '/usr/local/bin/node' };
    const { clock } = this.#options.images;
    const key = keyOf('host', await identityOf(program.from), program.to, this.#mtime);
    await this.#layer(stage, key, `base from ${program.from}`, async () =>
      makeLayer(this.#options.images.store, await runtimeParts(program.from, program.to, clock, this.#mtime), 'zstd'),
    );
    return stage;
  }

  async #layer(stage: Stage, key: string, what: string, make: () => Promise<BuiltLayer>): Promise<void> {
    const known = this.#options.noCache ? undefined : await this.#cache.recall(key);
    this.#say(known ? `${what} (cached)` : what);
    const layer = known ?? (await make());
    if (!known) await this.#cache.remember(key, layer);
    stage.layers.push(layer);
    stage.history.push({ created_by: what });
  }

  async #step(stage: Stage, instruction: Instruction, plan: StagePlan): Promise<void> {
    const { name } = instruction;
    if (name === 'ARG') this.#declare(stage.args, instruction, lookupOf(stage));
    else if (name === 'COPY' || name === 'ADD') await this.#copy(stage, instruction, plan);
    else if (name === 'RUN') await this.#run(stage, instruction);
    else if (name === 'WORKDIR') await this.#workdir(stage, instruction);
    else {
      metadata[name]?.(stage, instruction, this.#escape);
      this.#say(instruction.text);
      stage.history.push({ created_by: instruction.text, empty_layer: true });
    }
  }

  async #workdir(stage: Stage, instruction: Instruction): Promise<void> {
    const text = words(expanded(stage, instruction, this.#escape), this.#escape).join(' ');
    stage.config.WorkingDir = fromWorkdir(stage, text);
    const place = await this.#tables.resolve(stage.layers, stage.config.WorkingDir);
    if (place.isDirectory) {
      stage.history.push({ created_by: instruction.text, empty_layer: true });
      return;
    }
    const parts = place.path.split('/').map((_, at, all) => all.slice(0, at + 1).join('/'));
    const missing: string[] = [];
    for (const each of parts) if (!(await this.#tables.resolve(stage.layers, each)).isDirectory) missing.push(each);
    const entries = missing.map((each) => ({ entry: tarEntry({ name: each, type: 'directory', mtime: this.#mtime }) }));
    const key = keyOf('WORKDIR', missing, this.#mtime);
    await this.#layer(stage, key, instruction.text, () => makeLayer(this.#options.images.store, entries, 'gzip'));
  }

  async #copy(stage: Stage, instruction: Instruction, plan: StagePlan): Promise<void> {
    const from = instruction.flags.get('from');
    const context = { stage, tables: this.#tables, escape: this.#escape, mtime: this.#mtime };
    const perform = async (source: CopySource) => {
      const documents = instruction.heredocs.map((each) =>
        each.expand ? { ...each, content: expand(each.content, lookupOf(stage), this.#escape) } : each,
      );
      const copied = await planCopy(
        { ...instruction, heredocs: documents, rest: instruction.rest.replace(/<<(-?)(["'])(\w+)\2/g, '<<$1$3') },
        source,
        context,
      );
      const key = keyOf(diffIds(stage), copied.key);
      await this.#layer(stage, key, instruction.text, () =>
        makeLayer(this.#options.images.store, copied.parts(), 'gzip'),
      );
    };
    if (from === undefined)
      return await perform({
        from: { root: this.#root(), ignore: await this.#ignore() },
        readable: this.#plan.readable,
      });
    if (from === 'extras' && this.#plan.kind !== 'Dockerfile')
      return await perform({ from: { files: this.#plan.extras }, readable: true });
    const name = expand(from, lookupOf(stage), this.#escape);
    const earlier = this.#named(name, this.#stages.indexOf(plan));
    const other = earlier ? await this.#stage(earlier) : await this.#image(name);
    await withRootfs(this.#options.images, other.layers, (root) =>
      perform({ from: { root, ignore: () => false }, readable: false }),
    );
  }

  #root(): string {
    const context = path.resolve(this.#options.context);
    return this.#plan.program && context === this.#plan.program.from ? path.dirname(context) : context;
  }

  #ignoring: Promise<ReturnType<typeof parseIgnore>> | undefined;
  #ignore(): Promise<ReturnType<typeof parseIgnore>> {
    this.#ignoring ??= this.#readIgnore();
    return this.#ignoring;
  }

  async #readIgnore() {
    const own = `${this.#options.dockerfile ?? 'Dockerfile'}.dockerignore`;
    for (const name of [own, '.dockerignore']) {
      const text = await readFile(path.join(this.#root(), name), 'utf8').catch(() => undefined);
      if (text !== undefined) return parseIgnore(`${this.#plan.ignore}\n${text}`);
    }
    return parseIgnore(this.#plan.ignore);
  }

  async #run(stage: Stage, instruction: Instruction): Promise<void> {
    const { images, run, signal } = this.#options;
    if (!run)
      throw new DockerfileError(
        instruction.line,
        'RUN needs an OCI runtime (crun or runc) and root; without them, COPY what it would make',
      );
    const args = [...stage.args].toSorted(([a], [b]) => (a < b ? -1 : 1));
    const key = keyOf(
      diffIds(stage),
      runArgv(stage, instruction),
      stage.config.Env,
      args,
      stage.config.User,
      stage.config.WorkingDir,
      this.#mtime,
    );
    const onOutput = (text: string) => {
      for (const line of text.split('\n')) if (line !== '') this.#say(line);
    };
    await this.#layer(stage, key, instruction.text, () =>
      runStep(images, stage, instruction, { run, mtime: this.#mtime, onOutput, ...(signal && { signal }) }),
    );
  }
}

function diffIds(stage: Stage): string[] {
  return stage.layers.map((layer) => layer.diffId);
}
