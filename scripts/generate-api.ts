/**
 * Writes src/api/gen: what is known of every built-in kind, taken from the field's own published Go modules. Run by hand
 * when the Kubernetes version changes:
 *
 *   node scripts/generate-api.ts [folder of the k8s.io/kubernetes module]
 *
 * Only facts are taken: names, types, formats, defaults, enums, merge keys, verbs. No descriptions.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readGoTypes } from './generate-api/gotypes.ts';
import { resourceFacts } from './generate-api/resources.ts';
import { schemaFacts } from './generate-api/schema.ts';
import { findModules, kubernetesVersion, readSources } from './generate-api/sources.ts';
import { clientsFile, typesFile } from './generate-api/typescript.ts';

const modules = findModules(process.argv[2]);
const sources = readSources(modules.kubernetes);
const resources = resourceFacts(sources);
const schema = schemaFacts(sources, readGoTypes(modules), resources);
const out = join(import.meta.dirname, '..', 'src', 'api', 'gen');
const lines = (object: object) =>
  `{\n${Object.entries(object)
    .map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
    .join(',\n')}\n}`;
writeFileSync(
  join(out, 'schema.json'),
  `{"kubernetes":${JSON.stringify(kubernetesVersion)},\n"strings":${lines(schema.strings)},\n"definitions":${lines(schema.definitions)}}\n`,
);
writeFileSync(
  join(out, 'resources.json'),
  `[\n${resources.map((resource) => JSON.stringify(resource)).join(',\n')}\n]\n`,
);
const { text, names } = typesFile(schema, resources);
writeFileSync(join(out, 'types.ts'), text);
writeFileSync(join(out, 'clients.ts'), clientsFile(resources, names));
console.log(`${Object.keys(schema.definitions).length} definitions, ${resources.length} resources`);
