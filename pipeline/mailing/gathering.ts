import { from } from 'rxjs'
import { batch, type BatchRule, type Placed } from '../../operators/batch.ts'
import { severityRank } from '../../operators/severity.ts'
import type { StateStore } from '../../operators/with-state.ts'
import type { Gathering, Notice } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import type { TurnState } from '../runtime/turn-state.ts'
import { dueKey, gatheringKey, groupOf, letterKey, noticeKey, putOpen } from './letter-state.ts'
import { noteGrown } from './limits.ts'

/** A notice that has just come, as it was written. */
export interface Arrived {
  readonly notice: Notice
  readonly bytes: Uint8Array
  readonly now: EpochMs
}
const ruleOf = ({ notice: { batch: terms } }: Arrived): BatchRule => ({
  quietMs: terms.quiet_ms,
  longestMs: terms.longest_ms,
  most: terms.most,
  firstAtOnce: terms.first_at_once,
  spacingMs: terms.spacing_ms,
})

/** Gives each notice its letter: one of its own, or one that gathers. Says how many were new. */
export const gather = (arrived: readonly Arrived[], state: TurnState): number => {
  const store: StateStore<Gathering> = {
    get: (group) => state.get('Gathering', gatheringKey(group)),
    put: (group, gathering) => {
      if (gathering !== undefined) state.put('Gathering', gatheringKey(group), gathering)
    },
  }
  const hasGone = (id: string): boolean => (state.get('Letter', letterKey(id))?.attempt ?? 1) > 0
  const isAlone = (one: Arrived): boolean => one.notice.batch.most === 1 && one.notice.batch.spacing_ms === 0
  let opened = 0
  for (const one of arrived)
    if (isAlone(one)) opened += join({ item: one, batch: one.notice.id, dueAt: one.now, count: 1 }, state)
  from(arrived.filter((one) => !isAlone(one)))
    .pipe(batch(store, { idOf: ({ notice }) => notice.id, keyOf: ({ notice }) => groupOf(notice), ruleOf, hasGone }))
    .subscribe((placed) => (opened += join(placed, state)))
  return opened
}

/** Puts a notice into its letter; 0: it was there already. A letter bears the id of its first notice. */
const join = (
  { item: { notice, bytes, now }, batch: id, dueAt: due_at, count }: Placed<Arrived>,
  state: TurnState,
): 0 | 1 => {
  const gathering = count === 1 ? undefined : state.get('Letter', letterKey(id))
  // A letter may have been claimed or settled before its time: clocks are set back, channels are taken out of the configuration.
  if (gathering === undefined || gathering.attempt > 0) return openLetter(notice, bytes, { now, due_at }, state)
  state.delete(dueKey(gathering))
  state.putBytes(noticeKey(id, gathering.notices + 1), bytes)
  const severity = Math.max(gathering.severity, severityRank(notice.severity))
  const grown = { ...gathering, notices: gathering.notices + 1, severity }
  // One that has gathered long enough may wait at its limits: it keeps its turn there.
  const waits = due_at < now && gathering.due_at > now && noteGrown(grown, notice, state)
  putOpen(state, { ...grown, due_at: waits ? gathering.due_at : due_at })
  return 1
}

const openLetter = (
  notice: Notice,
  bytes: Uint8Array,
  { now, due_at }: { now: EpochMs; due_at: EpochMs },
  state: TurnState,
): 0 | 1 => {
  const { id } = notice
  if (state.get('Letter', letterKey(id)) !== undefined) return 0
  state.putBytes(noticeKey(id, 1), bytes)
  putOpen(state, {
    id,
    stage: 'open',
    message_id: '',
    channel: notice.channel,
    opened_at: now,
    due_at,
    attempt: 0,
    deferrals: 0,
    until: 0,
    sender: '',
    marker: '',
    notices: 1,
    severity: severityRank(notice.severity),
  })
  return 1
}
