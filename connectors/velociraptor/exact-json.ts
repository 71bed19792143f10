/** A JSON object as read: integers beyond 2^53 are bigint, everything else is what JSON.parse makes of it. */
export type Dictionary = Readonly<Record<string, unknown>>

const longDigits = /\d{16}/

const exactNumber = (_key: string, value: unknown, context?: { readonly source?: string }): unknown =>
  typeof value === 'number' &&
  !Number.isSafeInteger(value) &&
  context?.source !== undefined &&
  /^-?\d+$/.test(context.source)
    ? BigInt(context.source)
    : value

/** Reads JSON without rounding integers: those beyond 2^53 come as bigint. Throws SyntaxError. */
export const parseExact = (text: string): unknown =>
  longDigits.test(text) ? (JSON.parse(text, exactNumber) as unknown) : (JSON.parse(text) as unknown)

/** Whether a value is a JSON object. */
export const isDictionary = (value: unknown): value is Dictionary =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const rawJson = (JSON as unknown as { readonly rawJSON: (text: string) => unknown }).rawJSON

/** Writes JSON with every digit of integers that were read exactly. */
export const exactJson = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? rawJson(String(part)) : part))
