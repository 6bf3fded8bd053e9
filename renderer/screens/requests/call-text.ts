import { actionOf } from './sentence.ts';

/** Whether a request is a call over MCP or HTTP: what stands in it is no SQL. */
export function isCall(acts: readonly string[]): boolean {
  return acts.some((act) => /^(mcp|http):/.test(actionOf(act)));
}

const opening = new Set(['{', '[']);
const closing = new Set(['}', ']']);
const indent = '  ';
const maxDepth = 32;

/**
 * JSON within a call, laid out for reading: line breaks and blanks between values are all that is added, so that what is hidden in it,
 * also where it stands for a number, keeps its place. What is within quotes stays as it is.
 */
export function laidOut(command: string): string {
  const at = jsonAt(command);
  return command.slice(0, at) + layout(command.slice(at));
}

/** Of a request over HTTP only a body that is JSON is laid out: a query may hold brackets, too. */
function jsonAt(command: string): number {
  if (!/^[A-Z]+ \//.test(command)) return 0;
  const at = command.indexOf('\n\n');
  return at < 0 || !/^\s*[{[]/.test(command.slice(at)) ? command.length : at;
}

function layout(json: string): string {
  let text = '';
  let depth = 0;
  for (const { 0: token } of json.matchAll(/"(?:[^"\\]|\\.)*"?|\{\}|\[\]|[{}[\],]|[^"{}[\],]+/gs)) {
    if (opening.has(token)) depth++;
    if (closing.has(token)) depth = Math.max(0, depth - 1);
    const line = `\n${indent.repeat(Math.min(depth, maxDepth))}`;
    if (opening.has(token) || (token === ',' && depth > 0)) text += token + line;
    else if (closing.has(token)) text += line + token;
    else if (depth > 0 && token.startsWith(':')) text += `: ${token.slice(1)}`;
    else text += token;
  }
  return text;
}
