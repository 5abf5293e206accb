/** The program `glass`: the one place where drivers are chosen and parts are wired together. */
import { enableCompileCache, registerHooks } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

// what was compiled once is not compiled again; it lies beside everything else that is ours
enableCompileCache(join(process.env.GLASS_HOME ?? join(homedir(), '.glasshouse'), 'compiled'));
// our own files are where their importers say: nothing has to be looked up, which for hundreds of them is a quarter of the start
registerHooks({
  resolve(specifier, context, next) {
    if (!specifier.startsWith('.') || !specifier.endsWith('.ts') || context.parentURL === undefined)
      return next(specifier, context);
    return { url: new URL(specifier, context.parentURL).href, format: 'module-typescript', shortCircuit: true };
  },
});
const { main } = await import('../cli/index.ts');
const { platform } = await import('./platform.ts');
// timers of the platform keep nothing alive; a command that is under way must
const alive = setInterval(() => {}, 2 ** 30);
const code = await main(platform, process.argv.slice(2));
clearInterval(alive);
process.exit(code);
