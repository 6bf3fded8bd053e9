import tseslint from 'typescript-eslint';

// Two rules of ours that need no plugin.
const postern = {
  rules: {
    'described-disable': {
      create: (context) => ({
        Program() {
          for (const comment of context.sourceCode.getAllComments()) {
            if (/^\s*(eslint-disable|biome-ignore)/.test(comment.value) && !/ -- \S/.test(comment.value)) {
              context.report({ loc: comment.loc, message: 'A disabled rule needs a reason: `-- why`.' });
            }
          }
        },
      }),
    },
    'kebab-file': {
      create: (context) => ({
        Program(node) {
          const name = context.filename.split(/[\\/]/).at(-1) ?? '';
          if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9-]+)*\.[a-z]+$/.test(name)) context.report({ node, message: 'File names are kebab-case.' });
        },
      }),
    },
  },
};

const env = {
  selector: "MemberExpression[object.name='process'][property.name='env']",
  message: 'The environment is read in processes/ and cli/ only; pass what is needed as a parameter.',
};
const syntax = [
  { selector: 'ClassDeclaration[id.name=/(Manager|Helper|Utils?|Service)$/]', message: 'Name the class by what it is.' },
  { selector: 'ExportAllDeclaration', message: 'No barrels: import from the file that declares it.' },
  { selector: 'ExportDefaultDeclaration', message: 'No default exports.' },
  {
    selector: "NewExpression[callee.name='Error']",
    message: "Errors come from the table: fail('ERR_…'). For an impossible state disable this line with the reason.",
  },
];
const withoutErrors = syntax.filter((rule) => !rule.selector.startsWith('NewExpression'));
const childProcess = { name: 'node:child_process', message: 'Processes are started in processes/, proxy/demo, main/service, build and test only.' };
const electron = { name: 'electron', message: 'Values of Electron are used in main/index.ts and main/adapters/electron only.', allowTypeImports: true };
const noVm = ['node:vm', 'vm'].map((name) => ({ name, message: 'No code from strings.' }));

export default tseslint.config(
  { ignores: ['node_modules/', '.cache/', 'out/', 'coverage/', 'postern-data/', '*.js', '*.cjs', 'build/*.js', 'vitest.config.ts'] },
  {
    files: ['**/*.{ts,tsx}'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    plugins: { postern },
    rules: {
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
      'max-lines-per-function': ['error', { max: 60, skipBlankLines: true, skipComments: true }],
      'max-params': 'off',
      '@typescript-eslint/max-params': ['error', { max: 4 }],
      complexity: ['error', 12],
      'no-console': 'error',
      'no-eval': 'error',
      'no-implied-eval': 'off',
      '@typescript-eslint/no-implied-eval': 'error',
      'no-new-func': 'error',
      'no-warning-comments': ['error', { terms: ['todo', 'fixme', 'xxx', 'hack'], location: 'start' }],
      'no-restricted-syntax': ['error', ...syntax, env],
      'no-restricted-imports': 'off',
      '@typescript-eslint/no-restricted-imports': ['error', { paths: [childProcess, { ...childProcess, name: 'child_process' }, electron, ...noVm] }],
      eqeqeq: 'error',
      'postern/described-disable': 'error',
      'postern/kebab-file': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true, ignoreVoidOperator: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', caughtErrors: 'none' }],
    },
  },
  {
    files: ['proxy/processes/**', 'proxy/cli/**', 'proxy/demo/**', 'build/**', 'test/**'],
    rules: { 'no-restricted-syntax': ['error', ...syntax], 'no-console': 'off' },
  },
  {
    files: ['proxy/processes/**', 'proxy/demo/**', 'main/service/**', 'build/**', 'test/**', '**/*.test.ts'],
    rules: { '@typescript-eslint/no-restricted-imports': ['error', { paths: [electron, ...noVm] }] },
  },
  {
    files: ['main/index.ts', 'main/preload.ts', 'main/preload.cts', 'main/adapters/electron/**'],
    rules: { '@typescript-eslint/no-restricted-imports': ['error', { paths: [childProcess, ...noVm] }] },
  },
  {
    files: ['main/index.ts'],
    rules: { 'no-restricted-syntax': ['error', ...syntax] },
  },
  {
    files: ['renderer/**/*.tsx'],
    // event handlers of forms are promises whose faults the hooks show
    rules: { '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { attributes: false } }] },
  },
  {
    files: ['proxy/contract/errors.ts', 'proxy/lib/**'],
    rules: { 'no-restricted-syntax': ['error', ...withoutErrors, env] },
  },
  {
    files: ['build/**', 'test/**', '**/*.test.ts', '**/fake.ts'],
    rules: { 'no-restricted-syntax': ['error', ...withoutErrors] },
  },
  {
    files: ['test/**', '**/*.test.ts', '**/fake.ts'],
    rules: {
      'max-lines-per-function': 'off',
      'max-lines': ['error', { max: 600, skipBlankLines: true, skipComments: true }],
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-empty-function': 'off',
    },
  },
);
