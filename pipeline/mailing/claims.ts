import { createHash, randomUUID } from 'node:crypto'
import type { NewRecord, Task } from '../../connectors/log/event-log.ts'
import { decode } from '../../schemas/codec.ts'
import type { Letter, Notice, OpenWork } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { prefixRange } from '../runtime/marks.ts'
import { afterPrefix, openTurnState, type TurnState } from '../runtime/turn-state.ts'
import { type Claim, claimMs, type DeliverOptions, receiptRecord } from './claim.ts'
import type { DeliverTurn } from './deliver-turn.ts'
import { isLimited, type Passage, passLimits } from './limits.ts'
import type { Sending } from './sending.ts'
import {
  dueFrom,
  dueKey,
  duePrefix,
  gatheringKey,
  goneKey,
  groupOf,
  letterKey,
  letterPrefix,
  noticeKey,
  noticesOf,
  openWorkKey,
  putOpen,
  readDueKey,
} from './letter-state.ts'

/** Letters claimed and not settled: few, so they are kept at hand. */
export interface Claims {
  readonly letters: Map<string, Letter>
  /** First notices of letters that were claimed here, kept to spare reading them again. */
  readonly firsts: Map<string, Notice>
  /** Claims of a process that is known to be dead: nobody else will say what became of them. */
  readonly orphans: Set<string>
  /** How many notices are not settled, whether claimed or not. */
  readonly open: { notices: number }
}

/** What a task finds claimed when it is opened. */
export const openClaims = (task: Task, sending: Sending): Claims => {
  const state = openTurnState(task.state)
  const { notices, claimed } = state.get('OpenWork', openWorkKey) ?? counted(state)
  const letters = new Map(claimed.map((id) => [id, state.get('Letter', letterKey(id)) as Letter]))
  const open = { notices }
  const inDoubt = task.othersAreDead ? [...letters.keys()].filter((id) => !sending.isUnderWay(id)) : []
  return { letters, firsts: new Map(), orphans: new Set(inDoubt), open }
}

/** What is open, from every letter: for a state that a version before this record left. */
const counted = (state: TurnState): OpenWork => {
  let notices = 0
  const claimed: string[] = []
  for (const key of state.keys(...prefixRange(letterPrefix))) {
    const letter = state.get('Letter', key) as Letter
    notices += letter.notices
    if (letter.stage === 'claimed') claimed.push(letter.id)
  }
  return { notices, claimed }
}

const nothing: OpenWork = { notices: 0, claimed: [] }

/** Keeps what is open beside the letters, where this turn changed it; says whether it did. */
export const putOpenWork = ({ letters, open }: Claims, state: TurnState): boolean => {
  const now: OpenWork = { notices: open.notices, claimed: [...letters.keys()] }
  const before = state.get('OpenWork', openWorkKey)
  const { notices, claimed } = before ?? nothing
  const isSame =
    notices === now.notices && claimed.length === now.claimed.length && claimed.every((id) => letters.has(id))
  // Without a letter there is nothing to count, so nothing need be kept.
  if (before !== undefined && now.notices === 0 && now.claimed.length === 0) state.delete(openWorkKey)
  else if (!isSame) state.put('OpenWork', openWorkKey, now)
  return notices !== now.notices
}

/** A letter is claimed no more. */
export const forgetClaim = ({ letters, firsts, orphans }: Claims, id: string): void => {
  letters.delete(id)
  firsts.delete(id)
  orphans.delete(id)
}

/** Claims whose term is over without a word: a marker is written for each, and only its return lets the letter be sent again. */
export const doubtful = ({ state, task, turn, claims, sending }: DeliverTurn): readonly NewRecord[] => {
  const markers: NewRecord[] = []
  const keep = (letter: Letter): void => {
    state.put('Letter', letterKey(letter.id), letter)
    claims.letters.set(letter.id, letter)
  }
  for (const [id, letter] of claims.letters) {
    if ((letter.until > turn.now && !claims.orphans.has(id)) || letter.marker !== '') continue
    if (sending.isUnderWay(id)) {
      keep({ ...letter, until: turn.now + claimMs })
      continue
    }
    const marked = { ...letter, marker: randomUUID() }
    keep(marked)
    markers.push(
      receiptRecord(task.partition, {
        letter: id,
        attempt: letter.attempt,
        kind: 'marker',
        at: turn.now,
        sender: marked.marker,
        code: 0,
        reply: '',
      }),
    )
  }
  return markers
}

/** Claims what is due, as much as its channel can send soon. `arrived`: notices of this turn by their ids. */
export const claimDue = (context: DeliverTurn, arrived: ReadonlyMap<string, Notice>): readonly Claim[] => {
  const claimed: Claim[] = []
  for (const channel of context.options.channels.keys())
    for (const id of dueOf(channel, context)) {
      // It may have been told in another one meanwhile, or gone in another one's stead.
      const letter = context.state.get('Letter', letterKey(id))
      if (letter?.stage !== 'open') continue
      const first = firstOf(id, context.state, arrived)
      const free_at = freeAt(letter, first, context.state, context.turn.now)
      if (free_at > context.turn.now) postpone(letter, first, free_at, context.state)
      else {
        // Last, for a place that is taken must come to a claim.
        const passed = passLimits({ letter, first, ...passageOf(channel, context) }, context)
        if (passed === 'full') break
        if (passed !== null)
          claimed.push(claim(passed, passed.id === id ? first : firstOf(passed.id, context.state, arrived), context))
      }
    }
  return claimed
}

const firstOf = (id: string, state: TurnState, arrived: ReadonlyMap<string, Notice>): Notice =>
  arrived.get(id) ?? decode('Notice', state.getBytes(noticeKey(id, 1)) as Uint8Array)

/** Letters of a limited channel that are looked at in one turn. */
const mostOrdered = 1000

/** Letters of a channel that are due, in the order in which they may go: where limits hold them up the severest come first. */
function* dueOf(channel: string, { state, turn, task, options }: DeliverTurn): Generator<string> {
  const keys = state.keys(duePrefix(channel), dueFrom(channel, turn.now + 1))
  if (!isLimited(channel, options)) {
    for (const key of keys) yield readDueKey(key).letter
    return
  }
  const letters: Letter[] = []
  for (const key of keys) {
    letters.push(state.get('Letter', letterKey(readDueKey(key).letter)) as Letter)
    if (letters.length === mostOrdered) {
      task.wake(turn.now)
      break
    }
  }
  for (const { id } of letters.toSorted((a, b) => b.severity - a.severity)) yield id
}

const passageOf = (
  channel: string,
  { state, turn, task, sending }: DeliverTurn,
): Pick<Passage, 'reserve' | 'giveBack' | 'mayGo'> => ({
  reserve: () => sending.reserve(channel, task),
  giveBack: () => sending.giveBack([{ letter: { channel } }]),
  mayGo: (id) => {
    const letter = state.get('Letter', letterKey(id))
    return letter?.stage === 'open' && freeAt(letter, firstOf(id, state, new Map()), state, turn.now) <= turn.now
  },
})

const claim = (open: Letter, first: Notice, { state, task, turn, claims, options }: DeliverTurn): Claim => {
  const { id } = open
  const letter: Letter = {
    ...open,
    stage: 'claimed',
    attempt: open.attempt + 1,
    until: turn.now + claimMs,
    sender: options.process,
    marker: '',
    message_id: open.message_id === '' ? messageIdOf(open, options) : open.message_id,
  }
  state.delete(dueKey(open))
  state.put('Letter', letterKey(id), letter)
  if (first.batch.spacing_ms > 0) state.put('Mark', goneKey(groupOf(first)), { event: id, at: turn.now })
  claims.letters.set(id, letter)
  claims.firsts.set(id, first)
  return { letter, notices: () => (open.notices === 1 ? [first] : committedNotices(letter, task)) }
}

const committedNotices = (letter: Letter, { state }: Task): readonly Notice[] =>
  Array.from(noticesOf(letter, openTurnState(state)), ({ notice }) => notice)

/** When a letter may go: those of one group keep their distance also when something held them up. */
const freeAt = ({ id }: Letter, first: Notice, state: TurnState, now: EpochMs): EpochMs => {
  const { spacing_ms } = first.batch
  const last = spacing_ms === 0 ? undefined : state.get('Mark', goneKey(groupOf(first)))
  // After a clock was set back the time of the last one says nothing.
  return last === undefined || last.event === id || now < last.at ? now : last.at + spacing_ms
}

/** Holds a letter back until then; while it waits it goes on gathering. */
const postpone = (letter: Letter, first: Notice, due_at: EpochMs, state: TurnState): void => {
  state.delete(dueKey(letter))
  putOpen(state, { ...letter, due_at })
  const gathering = state.get('Gathering', gatheringKey(groupOf(first)))
  if (gathering?.batch === letter.id) state.put('Gathering', gatheringKey(groupOf(first)), { ...gathering, due_at })
}

/** Stable for a notice: a letter sent twice is recognised by its Message-ID. */
const messageIdOf = ({ id, channel }: Letter, { channels }: DeliverOptions): string => {
  const from = channels.get(channel)?.from.address ?? ''
  const local = createHash('sha256').update(`letter ${id}`).digest('hex').slice(0, 32)
  return `<${local}@${from.slice(from.lastIndexOf('@') + 1) || 'raptor-relay.invalid'}>`
}

/** Asks for a turn when the term of a claim is over. */
export const wakeForClaims = (task: Task, { letters, orphans }: Claims, now: EpochMs): void => {
  for (const { id, until, marker } of letters.values()) if (marker === '') task.wake(orphans.has(id) ? now : until)
}

/** What is due already waits for a place on its channel, which wakes the task; what is due later needs a wake-up. */
export const wakeForDue = (task: Task, state: TurnState, from: EpochMs, { channels }: DeliverOptions): void => {
  for (const channel of channels.keys())
    for (const key of state.keys(dueFrom(channel, from), afterPrefix(duePrefix(channel)))) {
      task.wake(readDueKey(key).at)
      break
    }
}
