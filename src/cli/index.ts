/**
 * The command line, `glass`: what kubectl and helm do not do. It parses, prints and asks the `Platform` that `cmd/` hands it; data to
 * stdout, talk to stderr; exit codes 0, 1 (it failed), 2 (it was asked wrongly).
 */
import { Command, CommanderError, Option } from 'commander';
import { readFileSync } from 'node:fs';
import { down, reset } from './commands/down.ts';
import * as image from './commands/image.ts';
import { logs } from './commands/logs.ts';
import { run } from './commands/run.ts';
import { sim } from './commands/sim.ts';
import { status } from './commands/status.ts';
import { up } from './commands/up.ts';
import { explainWhy } from './commands/why.ts';
import { Failure, told } from './errors.ts';
import { placesOf } from './places.ts';
import type { Platform } from './platform.ts';
import { out, red, say } from './print.ts';
import { addServerFlags } from './serverflags.ts';

export type {
  BuildOptions,
  ClusterCount,
  Images,
  ImageSummary,
  Platform,
  RunningPlatform,
  RunningSimulation,
  RuntimeName,
  SimOptions,
  UpOptions,
} from './platform.ts';
export type { Places } from './places.ts';
export type { ServerFiles } from './serverflags.ts';
export type { EtcdPlace, StorePlace } from './storeflag.ts';
export { Failure, UsageError } from './errors.ts';
export { megabytes } from './print.ts';

const dataDir = () =>
  new Option('--data-dir <folder>', "the cluster's folder (default: $GLASS_HOME/default, ~/.glasshouse/default)");
const output = (...choices: string[]) => new Option('-o, --output <format>', 'how to print').choices(choices);

/** Runs one command and returns the exit code. */
export async function main(platform: Platform, argv: readonly string[]): Promise<number> {
  const program = programOf(platform);
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const { message, exitCode } = told(error);
    say(`${red('error:')} ${message}`);
    if (process.env.GLASS_DEBUG) say(String((error as Error).stack));
    return exitCode;
  }
}

function programOf(platform: Platform): Command {
  const program = new Command('glass')
    .description('An open cloud platform in one process that speaks the Kubernetes API')
    .version(platform.version)
    .exitOverride()
    .showSuggestionAfterError()
    .addHelpText('after', '\nExample:\n  glass up --detach && glass run examples/hello');
  const command = (usage: string, description: string, example: string) =>
    program.command(usage).description(description).exitOverride().addHelpText('after', `\nExample:\n  ${example}`);

  const started = command('up', 'start here: control plane, node, network, DNS', 'glass up --detach')
    .option('-d, --detach', 'run beside, and return once it is ready')
    .addOption(dataDir())
    .option('--port <port>', 'of the API server; 0: any free one', '6443')
    .option('--kubeconfig <file>', 'write the kubeconfig here instead of merging it into yours')
    .option('--runtime <name>', 'auto, oci, process or sim', 'auto')
    .option('--sim-nodes <n>', 'this many simulated nodes beside', '0')
    .option('--nodes <n>', 'as this many nodes, each with its share of the machine', '1')
    .option('--node-ip <addresses>', "the nodes' addresses, with commas between (default: loopback)", '')
    .option('--store <store>', 'embedded, memory or etcd://HOST:PORT,…?ca=FILE&cert=FILE&key=FILE', 'embedded');
  addServerFlags(started).action((flags) => up(platform, flags));
  command('down', 'stop, workloads too', 'glass down')
    .addOption(dataDir())
    .action((flags) => down(platform, flags));
  command('status', 'what runs and what is wrong', 'glass status -o json')
    .addOption(dataDir())
    .addOption(output('json'))
    .action((flags) => status(platform, flags));
  command('reset', 'forget everything', 'glass reset --yes')
    .addOption(dataDir())
    .option('--yes', 'really')
    .action((flags) => reset(platform, flags));
  command('kubeconfig', 'print it', 'glass kubeconfig > cluster.yaml')
    .addOption(dataDir())
    .action((flags) => printKubeconfig(flags));
  command('run <dir>', 'code to URL', 'glass run examples/hello --replicas 2')
    .option('--name <name>', "of the app (default: the folder's)")
    .option('--port <port>', 'that the program listens on (default: what the image says, or 8080)')
    .option('--env <NAME=VALUE...>', 'environment variables')
    .option('--replicas <n>', 'how many')
    .option('--base <image>', "build on this image instead of this machine's own Node runtime")
    .option('--watch', 'release on save')
    .option('--timeout <seconds>', 'how long to wait until it answers', '120')
    .addOption(dataDir())
    .action((dir, flags) => run(platform, dir, flags));
  command('logs <app>', 'follow an app across its pods', 'glass logs hello -f')
    .option('-f, --follow', 'go on')
    .option('--tail <n>', 'lines of each pod to begin with', '100')
    .option('-n, --namespace <name>', 'where', 'default')
    .addOption(dataDir())
    .action((app, flags) => logs(platform, app, flags));
  command('why <kind/name> [name]', 'what happened to an object, and what it waits for', 'glass why deployment/hello')
    .option('-n, --namespace <name>', 'where', 'default')
    .option('--pods <n>', 'how many of its pods to tell of, those in trouble first', '3')
    .option('--kubeconfig <file>', 'of another cluster; any Kubernetes will do')
    .addOption(dataDir())
    .addOption(output('json'))
    .action((target, name, flags) => explainWhy(platform, target, name, flags));
  addSimCommand(platform, command);
  addImageCommands(platform, program);
  return program;
}

function addSimCommand(
  platform: Platform,
  command: (usage: string, description: string, example: string) => Command,
): void {
  const several = (value: string, before: string[] = []) => [...before, value];
  command(
    'sim',
    'a cluster of thousands of simulated nodes',
    'glass sim --nodes 5000 --virtual --for 24h --load shop.yaml',
  )
    .option('--nodes <n>', 'how many are added (default: 1000, or none with --load)', '')
    .option('--pods-per-node <n>', 'that each has room for', '110')
    .option('--node-cpu <quantity>', 'of each', '32')
    .option('--node-memory <quantity>', 'of each', '256Gi')
    .option('--pull <duration>', 'that an image takes which the node lacks, or between two: 1s-20s', '0s')
    .option('--start <duration>', 'that a pod takes to start', '5ms-20ms')
    .option('--stop <duration>', 'that a pod takes to end', '1ms')
    .option('--stage <file>', "KWOK's Stages, a file or a folder of them; again for more", several)
    .option('--load <file>', 'what "kubectl get -A -o yaml" printed, or manifests; - for standard input', several)
    .option('--virtual', 'time passes as fast as this machine can')
    .option('--for <duration>', 'then it says how the cluster stands, and ends')
    .option('--until <time>', 'as --for, in simulated time')
    .option('--seed <n>', 'draws the same chances again')
    .option('--port <port>', 'of the API server; 0: any free one', '0')
    .option('--kubeconfig <file>', 'write it here')
    .addOption(new Option('--data-dir <folder>', 'keys, log and kubeconfig (default: $GLASS_HOME/sim)'))
    .addOption(output('json'))
    .action((flags) => sim(platform, flags));
}

function addImageCommands(platform: Platform, program: Command): void {
  const group = program.command('image').description('OCI images, no container engine needed').exitOverride();
  const command = (usage: string, description: string, example: string) =>
    group
      .command(usage)
      .description(description)
      .exitOverride()
      .addOption(dataDir())
      .addHelpText('after', `\nExample:\n  ${example}`);
  command('build <dir>', 'from a Dockerfile, or from what the folder is', 'glass image build . -t app:1')
    .requiredOption('-t, --tag <name>', 'of the image')
    .option('-f, --file <file>', 'the Dockerfile')
    .option('--base <image>', 'build on this image')
    .action((dir, flags) => image.build(platform, dir, flags));
  command('pull <name>', 'from a registry', 'glass image pull docker.io/library/nginx:1.27').action((name, flags) =>
    image.pull(platform, name, flags),
  );
  command('push <name>', 'to a registry', 'glass image push localhost:5000/app:1').action((name, flags) =>
    image.push(platform, name, flags),
  );
  command('import <file>', 'an OCI or docker archive; - for standard input', 'glass image import app.tar').action(
    (file, flags) => image.importFile(platform, file, flags),
  );
  command('export <file> <names...>', 'as an OCI archive', 'glass image export app.tar app:1').action(
    (file, names, flags) => image.exportFile(platform, file, names, flags),
  );
  command('ls', 'what is here', 'glass image ls')
    .addOption(output('json', 'name'))
    .action((flags) => image.list(platform, flags));
  command('rm <names...>', 'remove', 'glass image rm app:1').action((names, flags) =>
    image.remove(platform, names, flags),
  );
}

function printKubeconfig(flags: { dataDir?: string }): void {
  const places = placesOf(flags.dataDir);
  try {
    out(readFileSync(places.kubeconfig, 'utf8').trimEnd());
  } catch (error) {
    throw new Failure(`there is no cluster in ${places.root} yet: start one with "glass up"`, error);
  }
}
