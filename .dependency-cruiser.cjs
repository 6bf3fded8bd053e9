// Who may import whom (style: one table, enforced by `npm run check` and by test/architecture/imports.test.ts).
// A folder may always import itself. `types` may be imported with `import type` only.
const table = {
  lib: {},
  contract: { may: ['lib', 'proof'] },
  proof: {},
  wire: { may: ['lib', 'contract'] },
  ipc: { may: ['lib', 'contract'] },
  policy: { may: ['lib', 'contract'], types: ['pipeline'] },
  masking: { may: ['lib', 'contract'], types: ['pipeline'] },
  store: { may: ['lib', 'contract', 'proof'] },
  identity: { may: ['lib', 'contract', 'store', 'proof', 'ipc'], types: ['pipeline'] },
  vault: { may: ['lib', 'contract', 'store', 'proof', 'ipc'], types: ['pipeline'] },
  audit: { may: ['lib', 'contract', 'store', 'proof', 'ipc'], types: ['pipeline'] },
  recording: { may: ['lib', 'contract', 'store', 'proof', 'ipc'], types: ['pipeline'] },
  approval: { may: ['lib', 'contract', 'store', 'proof', 'ipc'], types: ['pipeline'] },
  history: { may: ['lib', 'contract', 'store', 'proof'] },
  pipeline: { may: ['lib', 'contract', 'proof'] },
  control: {
    may: ['lib', 'contract', 'proof', 'store', 'ipc', 'identity', 'policy', 'masking', 'vault', 'audit', 'recording', 'approval', 'history'],
    types: ['pipeline'],
  },
  // verifying a log and checking policies need no service; `serve` and `demo` are started from here
  cli: { may: ['lib', 'contract', 'proof', 'audit', 'policy', 'processes', 'demo'] },
};

const tests = '[.]test[.]ts$|[/.]fake[.]ts$';
const folder = (name) => `^proxy/${name}/`;

const walls = Object.entries(table).flatMap(([name, { may = [], types = [] }]) => {
  const from = { path: folder(name), pathNot: tests };
  const allowed = [name, ...may];
  return [
    {
      name: `${name}-imports`,
      comment: `proxy/${name} may import ${may.join(', ') || 'nothing of ours'}${types.length ? `; types of ${types.join(', ')}` : ''}`,
      severity: 'error',
      from,
      to: { path: '^(proxy|main|renderer|build|test)/', pathNot: [...allowed, ...types].map(folder) },
    },
    ...(types.length
      ? [
          {
            name: `${name}-types-only`,
            comment: 'import type only',
            severity: 'error',
            from,
            to: { path: types.map(folder), dependencyTypesNot: ['type-only'] },
          },
        ]
      : []),
  ];
});

module.exports = {
  forbidden: [
    ...walls,
    {
      name: 'engine-islands',
      comment: 'an engine speaks bytes: lib, contract, wire and pipeline/engine.ts, never another engine',
      severity: 'error',
      from: { path: '^proxy/engines/([^/]+)/', pathNot: tests },
      to: { path: '^(proxy|main|renderer|build|test)/', pathNot: ['^proxy/engines/$1/', '^proxy/(lib|contract|wire)/', '^proxy/pipeline/engine[.]ts$'] },
    },
    {
      name: 'pipeline-mints-permits',
      comment: 'only the pipeline makes permits: others see the type in pipeline/engine.ts',
      severity: 'error',
      from: { path: '^(proxy|main|renderer)/', pathNot: ['^proxy/pipeline/', '^proxy/(processes|demo)/', tests] },
      to: { path: '^proxy/pipeline/', pathNot: '^proxy/pipeline/(engine|ports)[.]ts$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'permits-in-the-pipeline-only',
      comment: 'not even a composition root makes a permit',
      severity: 'error',
      from: { path: '^(proxy|main|renderer|build)/', pathNot: ['^proxy/pipeline/', tests] },
      to: { path: '^proxy/pipeline/permit[.]ts$' },
    },
    {
      name: 'positions-come-from-the-log',
      comment: 'a change of state needs a position of the log; only who talks to the log makes one',
      severity: 'error',
      from: { path: '^(proxy|main|renderer|build)/', pathNot: ['^proxy/(audit|processes|store)/', tests] },
      to: { path: '^proxy/store/position[.]ts$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'pure',
      comment: 'no I/O here, so that it can be property-tested',
      severity: 'error',
      from: { path: '^proxy/(lib|contract|policy|masking|proof)/', pathNot: tests },
      to: { dependencyTypes: ['core'], path: '^(node:)?(fs|fs/promises|net|tls|http|https|http2|child_process|dgram|dns|worker_threads|cluster|sqlite)$' },
    },
    {
      name: 'headless-proxy',
      comment: 'the service knows nothing of Electron',
      severity: 'error',
      from: { path: '^proxy/' },
      to: { path: '^(main|renderer)/|^electron$|node_modules/electron/' },
    },
    {
      name: 'main-sees-contract-and-proof',
      comment: 'main and proxy meet in proxy/contract and proxy/proof only',
      severity: 'error',
      from: { path: '^main/', pathNot: tests },
      to: { path: '^(proxy|renderer|build)/', pathNot: '^proxy/(contract|proof|lib)/' },
    },
    {
      name: 'renderer-sees-contracts',
      comment: 'the renderer runs in a browser',
      severity: 'error',
      from: { path: '^renderer/', pathNot: tests },
      to: { path: '^(proxy|main|build)/', pathNot: ['^proxy/(contract|proof|lib)/', '^main/contract/'] },
    },
    {
      name: 'renderer-is-a-browser',
      comment: 'no Node, no Electron in the renderer',
      severity: 'error',
      from: { path: '^renderer/', pathNot: tests },
      to: { path: '^node:|^electron$|node_modules/electron/' },
    },
    {
      name: 'renderer-without-core',
      comment: 'no Node in the renderer',
      severity: 'error',
      from: { path: '^renderer/', pathNot: tests },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'no-test-code-in-the-product',
      comment: 'the product never imports tests',
      severity: 'error',
      from: { path: '^(proxy|main|renderer|build)/', pathNot: `${tests}|^build/check[.]ts$` },
      to: { path: `^test/|${tests}` },
    },
    {
      name: 'no-cycles',
      comment: 'a cycle has no bottom',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'resolvable', comment: 'every import exists', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-development-dependency',
      comment: 'the service runs on `dependencies` only; main and renderer are bundled',
      severity: 'error',
      from: { path: '^proxy/', pathNot: tests },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(node_modules/(?!electron)|[.]cache|out|postern-data)/.*/node_modules/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'], mainFields: ['module', 'main', 'types'] },
    builtInModules: { add: ['node:sqlite'] },
    moduleSystems: ['es6', 'cjs'],
  },
};
