/**
 * Everything the relay says while it runs, with its level: error = someone must act, warn = heals or one item was set aside, info = start,
 * stop, a letter; count = never a log line, only measured.
 */
export const happenings = {
  // process
  'relay started': 'info',
  'relay ready': 'info',
  'relay stopping': 'info',
  'relay stopped': 'info',
  'relay failed': 'error',
  'http listening': 'info',
  'http not listening': 'warn',
  'configuration reloaded': 'info',
  'configuration not reloaded': 'error',
  'configuration needs restart': 'warn',
  // collect
  'collect begins': 'info',
  'source away': 'error',
  'source back': 'info',
  'source in sync': 'info',
  'source dropped': 'info',
  'queue in sync': 'count',
  'queue read back': 'count',
  'queue read so far': 'count',
  'gap repaired': 'warn',
  'queue is live only': 'info',
  'live rows may be lost': 'warn',
  'flows without event': 'warn',
  'flow sweep failed': 'warn',
  'log round': 'count',
  'log rounds stretched': 'warn',
  'log rounds in time': 'info',
  'log artifact unknown': 'warn',
  'organisation found': 'info',
  'organisation gone': 'warn',
  // enrich
  'lookups away': 'error',
  'lookups back': 'info',
  // decide
  'event judged': 'count',
  // deliver
  'letter delivered': 'info',
  'letter undeliverable': 'error',
  'letter not composed': 'error',
  'letter redriven': 'info',
  'letter dropped': 'info',
  'command declined': 'warn',
  'mail server away': 'error',
  'mail server back': 'info',
  'in-app messages refused': 'error',
  'mail login refused': 'error',
  'receipt not written': 'warn',
  'receipts written again': 'info',
  'letter answered': 'count',
  'notice told': 'count',
  'notices open': 'count',
  // trouble
  'trouble message not sent': 'warn',
  // every stage
  'schema unknown': 'error',
  // log
  'log trimmed before read': 'error',
  'log position beyond end': 'error',
  'task reopened': 'warn',
  'store upgraded': 'info',
  'retention removed records': 'debug',
  'log unavailable': 'error',
  'log available again': 'info',
  // velociraptor
  'api config readable by others': 'warn',
  'api certificate ends soon': 'warn',
} as const satisfies Record<string, 'debug' | 'info' | 'warn' | 'error' | 'count'>

export type HappeningName = keyof typeof happenings

/** A thing that happened, by its fixed name, with coordinates. Never an address, a body or a secret. */
export interface Happening {
  readonly name: HappeningName
  readonly [fact: string]: string | number | boolean | undefined
}

/** Where happenings are told. Must not throw. */
export type Tell = (happening: Happening) => void
