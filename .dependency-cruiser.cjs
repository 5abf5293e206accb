// The walls of ARCHITECTURE.md ("Who may import whom"), held by `npm run check`.
const parts = {
  machinery: [],
  api: ['machinery'],
  client: ['machinery', 'api'],
  store: ['machinery'],
  apiserver: ['machinery', 'api', 'store'],
  controllers: ['machinery', 'api', 'client'],
  scheduler: ['machinery', 'api', 'client'],
  kubelet: ['machinery', 'api', 'client'],
  network: ['machinery', 'api', 'client'],
  cli: ['machinery', 'api', 'client'],
};
/** What only tests load. */
const tests = '(\\.(test|prop|suite)\\.ts$)|(/testkit/)';
const all = [...Object.keys(parts), 'testing', 'cmd'];
const wall = (part, from, allowed) => ({
  name: `wall-${part}`,
  comment: `${part} may import only: ${allowed.join(', ') || 'nothing'}`,
  severity: 'error',
  from: { path: `^src/${from}/`, pathNot: tests },
  to: { path: '^src/', pathNot: [`^src/${from}/`, ...allowed.map((other) => `^src/${other}/`)] },
});
module.exports = {
  forbidden: [
    ...Object.entries(parts).map(([part, allowed]) => wall(part, part, allowed)),
    {
      name: 'wall-layers',
      comment: 'a layer speaks only the Kubernetes API; layers do not know each other',
      severity: 'error',
      from: { path: '^src/layers/([^/]+)/', pathNot: tests },
      to: { path: '^src/', pathNot: ['^src/layers/$1/', '^src/(machinery|api|client)/'] },
    },
    {
      name: 'one-door',
      comment:
        'enter a part by its index.ts; machinery/cel has one of its own, so that only who compiles expressions loads it',
      severity: 'error',
      from: { path: '^src/([^/]+)/', pathNot: tests },
      to: {
        path: `^src/(${all.join('|')})/`,
        pathNot: ['^src/$1/', '^src/([^/]+|machinery/cel)/index\\.ts$', '\\.suite\\.ts$'],
      },
    },
    {
      name: 'machinery-is-pure',
      comment: 'machinery and api do no I/O and lean on nothing',
      severity: 'error',
      from: { path: '^src/(machinery|api)/', pathNot: tests },
      to: { dependencyTypes: ['core', 'npm', 'npm-dev', 'npm-optional'] },
    },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'cmd-is-the-end',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/cmd/' },
      to: { path: '^src/cmd/' },
    },
    {
      name: 'testing-only-in-tests',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/testing/', tests] },
      to: { path: '^src/testing/' },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { extensions: ['.ts', '.mjs', '.js', '.json'] },
  },
};
