import { z } from 'zod';
import type { AppError } from '../lib/errors.ts';
import { pathParameters, type AnyRoute } from './api-route.ts';
import { errorTable, fail, type ErrorCode } from './errors.ts';

/** What every client of the control API needs, whatever carries its calls: command line, control app, console. */

const ErrorAnswer = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    hint: z.string(),
    faults: z.array(z.object({ path: z.string(), message: z.string(), line: z.int().optional(), column: z.int().optional() })).optional(),
  }),
});

export function isErrorAnswer(value: unknown): boolean {
  return ErrorAnswer.safeParse(value).success;
}

/** Path, query and body of a call. */
export function addressOf(route: AnyRoute, input: Readonly<Record<string, unknown>>): { path: string; body: string | undefined } {
  const named = pathParameters(route.path);
  const path = route.path.replaceAll(/\{([a-zA-Z]+)\}/g, (_, parameter: string) => encodeURIComponent(textOf(input[parameter])));
  const others = Object.entries(input).filter(([key, value]) => !named.includes(key) && value !== undefined);
  if (route.method === 'GET' || route.method === 'DELETE') {
    const query = new URLSearchParams(others.map(([key, value]): [string, string] => [key, textOf(value)])).toString();
    return { path: query === '' ? path : `${path}?${query}`, body: undefined };
  }
  return { path, body: JSON.stringify(Object.fromEntries(others)) };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** The error that an answer tells of. */
export function errorOf(body: string): AppError {
  let parsed: z.infer<typeof ErrorAnswer>;
  try {
    parsed = ErrorAnswer.parse(JSON.parse(body));
  } catch {
    return fail('ERR_INTERNAL', { message: 'The service answered with something that is no error of Postern.' });
  }
  const { code, message, hint, faults } = parsed.error;
  const known = Object.hasOwn(errorTable, code) ? (code as ErrorCode) : 'ERR_INTERNAL';
  return fail(known, {
    message,
    hint,
    ...(faults && {
      faults: faults.map(({ path, message: text, line, column }) => ({
        path,
        message: text,
        ...(line !== undefined && { line }),
        ...(column !== undefined && { column }),
      })),
    }),
  });
}
