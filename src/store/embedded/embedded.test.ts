import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { storeSuite } from '../store.suite.ts';
import { openEmbeddedStore } from './index.ts';

const base = mkdtempSync(join(tmpdir(), 'glasshouse-store-'));
after(() => rmSync(base, { recursive: true, force: true }));
let count = 0;

storeSuite('embedded', () => openEmbeddedStore({ directory: join(base, String(count++)) }));
