import { z } from 'zod';
import { pathParameters, type AnyRoute } from './api-route.ts';
import { api } from './api.ts';
import { errorTable, type ErrorCode } from './errors.ts';

type Json = Record<string, unknown>;

/** errors that any route may answer with, whatever the table says */
const commonErrors: readonly ErrorCode[] = ['ERR_INVALID_INPUT', 'ERR_INTERNAL', 'ERR_TOO_MANY_CONNECTIONS'];
const authorizedErrors: readonly ErrorCode[] = ['ERR_UNAUTHENTICATED', 'ERR_FORBIDDEN'];
const recordedErrors: readonly ErrorCode[] = ['ERR_AUDIT_UNAVAILABLE'];

/** Every error a route can answer with. */
export function errorsOf(route: AnyRoute): ErrorCode[] {
  return [...new Set([...commonErrors, ...(route.roles === 'public' ? [] : authorizedErrors), ...(route.event ? recordedErrors : []), ...route.errors])].sort();
}

/** The contract as an OpenAPI 3.1 document; docs/reference/openapi.json is this, committed. */
export function openApiDocument(): Json {
  const routes: Readonly<Record<string, AnyRoute>> = api;
  const paths: Record<string, Json> = {};
  for (const [name, route] of Object.entries(routes)) {
    const methods = (paths[route.path] ??= {});
    methods[route.method.toLowerCase()] = operationOf(name, route);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Postern control API', version: '1', description: 'Generated from proxy/contract/api.ts.', license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: 'https://127.0.0.1:8443' }],
    paths,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      schemas: { Error: errorSchema },
    },
  };
}

const errorSchema: Json = {
  type: 'object',
  required: ['error'],
  additionalProperties: false,
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message', 'hint'],
      additionalProperties: false,
      properties: {
        code: { type: 'string', enum: Object.keys(errorTable) },
        message: { type: 'string' },
        hint: { type: 'string' },
        faults: {
          type: 'array',
          items: {
            type: 'object',
            required: ['path', 'message'],
            properties: { path: { type: 'string' }, message: { type: 'string' }, line: { type: 'integer' }, column: { type: 'integer' } },
          },
        },
      },
    },
  },
};

function operationOf(name: string, route: AnyRoute): Json {
  const input = schemaOf(route.input, 'input');
  const properties = isJson(input['properties']) ? input['properties'] : {};
  const required = Array.isArray(input['required']) ? input['required'] : [];
  const inPath = pathParameters(route.path);
  const others = Object.keys(properties).filter((member) => !inPath.includes(member));
  const inQuery = route.method === 'GET' || route.method === 'DELETE';
  const parameters = [
    ...inPath.map((member) => ({ name: member, in: 'path', required: true, schema: properties[member] })),
    ...(inQuery ? others.map((member) => ({ name: member, in: 'query', required: required.includes(member), schema: properties[member] })) : []),
  ];
  const body = bodyOf(input, properties, others);
  const hasBody = !inQuery && others.length > 0;
  const media = route.stream ? 'application/jsonl' : 'application/json';
  return {
    operationId: name,
    summary: route.summary,
    ...(route.roles !== 'public' && { security: [{ token: [] }], 'x-roles': route.roles }),
    ...(route.event && { 'x-audit-events': route.event }),
    ...(parameters.length > 0 && { parameters }),
    ...(hasBody && { requestBody: { required: true, content: { 'application/json': { schema: body } } } }),
    responses: {
      200: { description: route.stream ? 'JSON lines.' : 'Done.', content: { [media]: { schema: schemaOf(route.output, 'output') } } },
      ...errorResponses(route),
    },
  };
}

function bodyOf(input: Json, properties: Json, members: readonly string[]): Json {
  const required = Array.isArray(input['required']) ? input['required'].filter((member) => members.includes(String(member))) : [];
  return { ...input, properties: Object.fromEntries(members.map((member) => [member, properties[member]])), required };
}

function errorResponses(route: AnyRoute): Json {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of errorsOf(route)) byStatus.set(errorTable[code].status, [...(byStatus.get(errorTable[code].status) ?? []), code]);
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [
      status,
      { description: codes.join(', '), content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } } },
    ]),
  );
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const document: Json = z.toJSONSchema(schema, {
    io,
    reused: 'inline',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      // the format says it; the pattern is a page long
      if (jsonSchema.format === 'date-time') delete jsonSchema.pattern;
    },
  });
  return Object.fromEntries(Object.entries(document).filter(([key]) => key !== '$schema'));
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** docs/reference/api.md: one row per route. */
export function apiMarkdown(): string {
  const routes: Readonly<Record<string, AnyRoute>> = api;
  const rows = Object.values(routes).map((route) => {
    const roles = route.roles === 'public' ? 'anyone' : route.roles.join(', ');
    const events = route.event ? route.event.map((code) => `\`${code}\``).join(', ') : '–';
    const errors = route.errors.map((code) => `\`${code}\``).join(', ') || '–';
    return `| \`${route.method} ${route.path}\` | ${route.summary} | ${roles} | ${events} | ${errors} |`;
  });
  return [
    '# Control API',
    '',
    'Generated from `proxy/contract/api.ts`; the schemas are in [openapi.json](openapi.json).',
    '',
    "Served over HTTPS on port 8443 with a certificate of the installation's own CA (`DIR/tls/ca.crt`). Callers send",
    '`Authorization: Bearer TOKEN`; the token must carry the role. Bodies are JSON, at most 1 MiB; unknown members are refused.',
    'Errors are `{"error": {"code", "message", "hint", "faults"?}}`. Lists take `limit` (at most 1000) and `cursor`.',
    `Any route may also answer ${commonErrors.map((code) => `\`${code}\``).join(', ')}, and all but the health check ${authorizedErrors.map((code) => `\`${code}\``).join(' and ')}.`,
    '',
    '| route | does | roles | audit events | errors |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}
