const encoder = new TextEncoder();

export function zeroEnded(text: string): number[] {
  return [...encoder.encode(text), 0];
}

export function message(type: string, body: readonly number[]): number[] {
  return [type.charCodeAt(0), ...int32(body.length + 4), ...body];
}

export function description(names: readonly string[], format = 0): number[] {
  return message('T', [...int16(names.length), ...names.flatMap((name) => [...zeroEnded(name), ...Array<number>(16).fill(0), ...int16(format)])]);
}

export function row(values: readonly (string | null)[]): number[] {
  const cells = values.flatMap((value) => (value === null ? int32(-1) : [...int32(encoder.encode(value).length), ...encoder.encode(value)]));
  return message('D', [...int16(values.length), ...cells]);
}

export function complete(tag: string): number[] {
  return message('C', zeroEnded(tag));
}

export function bytesOf(...messages: readonly number[][]): Uint8Array {
  return Uint8Array.from(messages.flat());
}

function int16(value: number): number[] {
  return [(value >> 8) & 0xff, value & 0xff];
}

function int32(value: number): number[] {
  return [(value >> 24) & 0xff, (value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff];
}
