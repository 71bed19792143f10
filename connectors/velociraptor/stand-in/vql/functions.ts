import { alertFunction } from './alert-function.ts'
import { asRows, settled } from './evaluator.ts'
import { patternOf } from './operators.ts'
import type { Arguments, CallContext, VqlFunction } from './session.ts'
import {
  compare,
  goMoment,
  integer,
  isDict,
  isList,
  isMoment,
  isNumeric,
  nanoseconds,
  opened,
  readJson,
  toJson,
  type Row,
  type Value,
} from './values.ts'

const get = (args: Arguments, name: string): Exclude<Value, { kind: 'json' }> => opened(args.get(name) ?? null)

const text = (args: Arguments, name: string): string => {
  const value = get(args, name)
  return typeof value === 'string' ? value : value === null ? '' : printed(value)
}

/** A value as `str()` and `%v` print it. */
const printed = (given: Value): string => {
  const value = opened(given)
  if (value === null) return 'Null'
  if (typeof value === 'string') return value
  if (isMoment(value)) return goMoment(value.ns)
  return toJson(value)
}

const whole = (value: Value): number | bigint => {
  const found = opened(value)
  if (typeof found === 'bigint') return found
  if (typeof found === 'number') return Math.trunc(found)
  if (typeof found === 'boolean') return found ? 1 : 0
  if (typeof found === 'string' && /^\s*[+-]?(\d+|0x[0-9a-fA-F]+)\s*$/.test(found))
    return integer(BigInt(found.trim().replace(/^\+/, '')))
  return 0
}

const items = (value: Value, call: CallContext): readonly Value[] => {
  const found = opened(settled(value, call.session))
  return isList(found) ? found : found === null ? [] : [found]
}

/** What a dictionary holds as rows `_key`, `_value`; of anything else none. */
const entries = (args: Arguments, name: string): readonly Row[] => {
  const value = get(args, name)
  if (!isDict(value)) return []
  return [...value].map(
    ([key, item]) =>
      new Map<string, Value>([
        ['_key', key],
        ['_value', item],
      ]),
  )
}

const formatted = (format: string, args: readonly Value[]): string => {
  let next = 0
  return format.replace(
    /%([-+ 0#]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])/g,
    (_, flags: string, width: string | undefined, precision: string | undefined, verb: string) => {
      if (verb === '%') return '%'
      if (next >= args.length) return `%!${verb}(MISSING)`
      const body = verbText(verb, opened(args[next++] ?? null), precision)
      const size = Number(width ?? 0)
      if (flags.includes('-')) return body.padEnd(size)
      return flags.includes('0') && !body.startsWith('%!') ? body.padStart(size, '0') : body.padStart(size)
    },
  )
}

const verbText = (verb: string, value: Value, precision: string | undefined): string => {
  switch (verb) {
    case 'd':
      return isNumeric(value)
        ? String(whole(value))
        : `%!d(${typeof value === 'string' ? 'string' : typeof value}=${printed(value)})`
    case 'f':
      return isNumeric(value) ? Number(value).toFixed(Number(precision ?? 6)) : `%!f(${typeof value}=${printed(value)})`
    case 'x':
      return isNumeric(value) ? value.toString(16) : Buffer.from(printed(value)).toString('hex')
    case 'X':
      return verbText('x', value, precision).toUpperCase()
    case 'q':
      return JSON.stringify(printed(value))
    case 'v':
    case 's':
      return printed(value)
    default:
      return `%!${verb}(${printed(value)})`
  }
}

const lowerIsLess = (sign: number): VqlFunction => ({
  required: ['item'],
  call: (args, { memory }) => {
    const best = memory<Value>(() => null)
    const value = get(args, 'item')
    if (best.value === null || (compare(value, best.value) ?? 0) * sign > 0) best.value = value
    return best.value
  },
})

/** Functions that need no server, by name. */
export const plainFunctions: Readonly<Record<string, VqlFunction>> = {
  str: { required: ['str'], call: (args) => printed(get(args, 'str')) },
  int: { required: ['int'], call: (args) => whole(get(args, 'int')) },
  atoi: { required: ['string'], call: (args) => whole(get(args, 'string')) },
  dict: {
    free: true,
    call: (args, { session }) => new Map([...args].map(([key, value]) => [key, settled(value, session)])),
  },
  array: {
    free: true,
    call: (args, call) => [...args.values()].flatMap((value) => items(value, call)),
  },
  len: {
    required: ['list'],
    call: (args) => {
      const value = get(args, 'list')
      return isList(value) || typeof value === 'string' ? value.length : isDict(value) ? value.size : 0
    },
  },
  now: { call: (_, { session }) => Math.floor(session.clock.now() / 1000) },
  timestamp: {
    optional: ['epoch', 'cocoatime', 'mactime', 'winfiletime', 'string', 'timezone', 'format'],
    call: (args) => {
      const ns = nanoseconds(get(args, args.has('epoch') ? 'epoch' : 'string'))
      return ns === null ? null : { kind: 'moment', ns }
    },
  },
  split: {
    required: ['string'],
    optional: ['sep', 'sep_string'],
    call: (args) => {
      const whole = text(args, 'string')
      if (args.has('sep_string')) return whole.split(text(args, 'sep_string'))
      const pattern = patternOf(text(args, 'sep'))
      return pattern === null ? [whole] : whole.split(pattern)
    },
  },
  join: {
    required: ['array'],
    optional: ['sep'],
    call: (args, call) =>
      items(args.get('array') ?? null, call)
        .map(printed)
        .join(text(args, 'sep')),
  },
  format: {
    required: ['format'],
    optional: ['args'],
    call: (args, call) => {
      const given = opened(settled(args.get('args') ?? null, call.session))
      return formatted(text(args, 'format'), isList(given) ? given : [given])
    },
  },
  upcase: { required: ['string'], call: (args) => text(args, 'string').toUpperCase() },
  lowcase: { required: ['string'], call: (args) => text(args, 'string').toLowerCase() },
  strip: { required: ['string'], optional: ['prefix', 'suffix'], call: (args) => text(args, 'string').trim() },
  substr: {
    required: ['str'],
    optional: ['start', 'end'],
    call: (args) =>
      text(args, 'str').slice(Number(get(args, 'start') ?? 0), args.has('end') ? Number(get(args, 'end')) : undefined),
  },
  basename: {
    required: ['path'],
    optional: ['sep', 'path_type'],
    call: (args) => text(args, 'path').split('/').at(-1) ?? '',
  },
  regex_replace: {
    required: ['source', 're'],
    optional: ['replace'],
    call: (args) => {
      const pattern = patternOf(text(args, 're'))
      const source = text(args, 'source')
      return pattern === null
        ? source
        : source.replace(new RegExp(pattern, 'gis'), text(args, 'replace').replace(/\$\{?(\w+)\}?/g, '$$$1'))
    },
  },
  filter: {
    required: ['list'],
    optional: ['regex'],
    call: (args, call) => {
      const patterns = items(args.get('regex') ?? null, call).map((one) => patternOf(printed(one)))
      return items(args.get('list') ?? null, call).filter((item) =>
        patterns.some((pattern) => pattern?.test(printed(item))),
      )
    },
  },
  get: {
    optional: ['item', 'member', 'field', 'default'],
    call: (args) => {
      let found: Value = get(args, 'item')
      for (const name of args.has('member') ? text(args, 'member').split('.') : [text(args, 'field')])
        found = isDict(found)
          ? opened(found.get(name) ?? null)
          : isList(found)
            ? opened(found.at(Number(name)) ?? null)
            : null
      return found ?? get(args, 'default')
    },
  },
  items: { required: ['item'], call: (args) => entries(args, 'item') },
  to_dict: {
    required: ['item'],
    call: (args, { session }) =>
      new Map(
        asRows(args.get('item') ?? null, session).map((row) => [
          printed(row.get('_key') ?? null),
          row.get('_value') ?? null,
        ]),
      ),
  },
  parse_json: {
    required: ['data'],
    optional: ['schema'],
    call: (args, { session }) => parsed('parse_json', text(args, 'data'), session.log),
  },
  parse_json_array: {
    required: ['data'],
    call: (args, { session }) => {
      const found = parsed('parse_json_array', text(args, 'data'), session.log)
      return isList(found) ? found : null
    },
  },
  serialize: {
    required: ['item'],
    optional: ['format'],
    call: (args, { session }) => toJson(settled(args.get('item') ?? null, session)),
  },
  count: {
    optional: ['items'],
    call: (_, { memory }) => {
      const count = memory(() => 0)
      return (count.value += 1)
    },
  },
  sum: {
    required: ['item'],
    call: (args, { memory }) => {
      const total = memory(() => 0n)
      total.value += BigInt(whole(get(args, 'item')))
      return integer(total.value)
    },
  },
  max: lowerIsLess(1),
  min: lowerIsLess(-1),
  enumerate: {
    required: ['items'],
    call: (args, { memory }) => {
      const all = memory<readonly Value[]>(() => [])
      return (all.value = [...all.value, get(args, 'items')])
    },
  },
  log: {
    required: ['message'],
    optional: ['args', 'level', 'dedup'],
    call: (args, call) => {
      const given = args.has('args') ? items(args.get('args') ?? null, call) : []
      call.session.log(
        `${text(args, 'level') || 'DEFAULT'}:${given.length === 0 ? text(args, 'message') : formatted(text(args, 'message'), given)}`,
      )
      return true
    },
  },
  alert: alertFunction,
}

const parsed = (name: string, data: string, log: (text: string) => void): Value => {
  try {
    return readJson(data, { moments: true })
  } catch (error) {
    log(`${name}: ${(error as Error).message}`)
    return null
  }
}

export {
  get as argumentValue,
  text as argumentText,
  items as argumentItems,
  entries as argumentEntries,
  whole as wholeNumber,
}
