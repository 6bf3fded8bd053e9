import type { Command } from 'commander';
import { expect, it } from 'vitest';
import { createProgram } from './index.ts';

const io = { out: () => true, err: () => true, stdin: process.stdin, isTerminal: false };
const program = createProgram({ io, environment: {}, exitCode: () => undefined });

function* below(command: Command): Generator<Command> {
  for (const child of command.commands) {
    yield child;
    yield* below(child);
  }
}

// an option of the program is taken wherever it stands: a command's own one of that name would never be seen
it('no command has an option that the program has, too', () => {
  const global = new Set(program.options.map(({ long }) => long));
  const taken = [...below(program)].flatMap((command) =>
    command.options.filter(({ long }) => global.has(long)).map(({ long }) => `${command.name()} ${String(long)}`),
  );
  expect(taken).toEqual([]);
});
