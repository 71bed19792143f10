import type { Tell } from '../../schemas/happenings.ts'
import { openOutages, type OutagePart } from './outages.ts'

/** A thing that is away, or the phase that the process is in. */
export interface Hindrance {
  readonly what: string
  readonly reason: string
}

export interface HealthReport {
  readonly ok: boolean
  /** What keeps it from being ready. */
  readonly missing: readonly Hindrance[]
  /** What is away though the relay is ready: it waits for these, and loses nothing. */
  readonly away: readonly Hindrance[]
}

/** Knows whether the process lives and whether it does its work. */
export interface Health {
  /** Takes a happening into account. */
  readonly note: Tell
  /** The process turns and its log is open. */
  live(): HealthReport
  /** Its stages run and the log is reachable. */
  ready(): HealthReport
}

type Phase = 'starting' | 'running' | 'stopping' | 'failed'

const phaseOf = new Map<string, Phase>([
  ['relay ready', 'running'],
  ['relay stopping', 'stopping'],
  ['relay failed', 'failed'],
])
const whyNot: Readonly<Record<Exclude<Phase, 'running'>, string>> = {
  starting: 'the stages are being started',
  stopping: 'letters under way and their receipts are awaited',
  failed: 'the relay cannot go on; its log lines say why',
}

/** Follows what the relay says of itself, from the start of the process. */
export const openHealth = (): Health => {
  const away = new Map<string, Hindrance & { readonly part: OutagePart }>()
  const outageOf = openOutages()
  let phase: Phase = 'starting'
  const report = (missing: readonly Hindrance[]): HealthReport => ({
    ok: missing.length === 0,
    missing,
    away: [...away.values()].filter(({ part }) => part !== 'log').map(({ what, reason }) => ({ what, reason })),
  })
  const hindered = (phases: readonly Phase[]): readonly Hindrance[] =>
    phase !== 'running' && phases.includes(phase) ? [{ what: 'stages', reason: whyNot[phase] }] : []
  const logAway = (): readonly Hindrance[] =>
    [...away.values()].filter(({ part }) => part === 'log').map(({ what, reason }) => ({ what, reason }))
  return {
    note(happening) {
      phase = phaseOf.get(happening.name) ?? phase
      const change = outageOf(happening)
      if (change === null) return
      const { part, name, reason } = change
      const what = name === '' ? part : `${part} ${name}`
      if (reason === null) away.delete(what)
      else away.set(what, { what, reason, part })
    },
    live: () => report(hindered(['failed'])),
    ready: () => report([...hindered(['starting', 'stopping', 'failed']), ...logAway()]),
  }
}
