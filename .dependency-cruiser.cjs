/** Direction (design, law 4): schemas ← operators, schemas ← connectors, all ← pipeline; tests see everything and nothing sees them. */
module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true, dependencyTypesNot: ['type-only'] } },
    {
      name: 'schemas-import-nothing-of-ours',
      severity: 'error',
      from: { path: '^schemas/' },
      to: { path: '^(operators|connectors|pipeline|test)/' },
    },
    {
      name: 'operators-know-schemas-only',
      severity: 'error',
      from: { path: '^operators/' },
      to: { path: '^(connectors|pipeline|test)/' },
    },
    {
      name: 'operators-use-rxjs-alone',
      severity: 'error',
      from: { path: '^operators/' },
      to: { dependencyTypes: ['npm', 'npm-dev', 'npm-optional', 'core'], pathNot: 'node_modules/rxjs' },
    },
    {
      name: 'connectors-know-schemas-only',
      severity: 'error',
      from: { path: '^connectors/' },
      to: { path: '^(operators|pipeline|test)/' },
    },
    { name: 'nothing-imports-tests', severity: 'error', from: { pathNot: '^test/' }, to: { path: '^test/' } },
    {
      name: 'no-development-packages-in-the-program',
      severity: 'error',
      from: { path: '^(schemas|operators|connectors|pipeline)/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'], pathNot: 'node_modules/@types/' },
    },
    { name: 'not-to-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
}
