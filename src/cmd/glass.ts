/** The program `glass`: the one place where drivers are chosen and parts are wired together. */
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

// what was compiled once is not compiled again; it lies beside everything else that is ours
enableCompileCache(join(process.env.GLASS_HOME ?? join(homedir(), '.glasshouse'), 'compiled'));
const { main } = await import('../cli/index.ts');
const { platform } = await import('./platform.ts');
process.exit(await main(platform, process.argv.slice(2)));
