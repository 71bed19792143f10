import Table from 'cli-table3'
import { recipientText } from '../../connectors/message/user-group.ts'
import { singleLine } from '../letters/texts.ts'
import { type InLetter, inLetters } from '../replay/letters.ts'
import type { Pair, PairKind, ReplayFile } from '../replay/replay-file.ts'
import type { Replayed } from '../replay/replay.ts'
import type { Rules } from '../replay/replay-work.ts'
import { topics } from '../../schemas/topics.ts'

const kinds = ['gained', 'lost', 'kept'] as const

/** Sums of a replay by monitor and in all. */
export const sumsText = ({ counts, pairs }: Replayed): string => {
  const table = new Table({
    head: ['monitor', ...kinds],
    style: { head: [], border: [] },
    colAligns: ['left', 'right', 'right', 'right'],
  })
  const of = (monitor: string | null, kind: PairKind): number =>
    pairs
      .filter((pair) => pair.kind === kind && (monitor === null || pair.monitor === monitor))
      .reduce((sum, { count }) => sum + count, 0)
  for (const monitor of new Set(pairs.map((pair) => pair.monitor)))
    table.push([singleLine(monitor), ...kinds.map((kind) => of(monitor, kind))])
  const { events, before, foreign, unrecorded, made, wereMade } = counts
  return [
    ...(pairs.length === 0 ? [] : [table.toString()]),
    `${events} event(s) replayed, ${before} before or beside them judged for windows.`,
    ...(foreign === 0 ? [] : [`${foreign} record(s) could not be read and are left out.`]),
    ...(unrecorded === 0
      ? []
      : [`${unrecorded} event(s) are left out: not judged yet by the service, or their outcome is no longer kept.`]),
    ...(made + wereMade === 0
      ? []
      : [
          `${made} alert(s) would be made of them, ${wereMade} were: whom alerts are told, --topic ${topics.alertEvents.name} says.`,
        ]),
    kinds.map((kind) => `${of(null, kind)} ${kind}`).join(', ') + ' (an event and a recipient of a monitor each).',
  ].join('\n')
}

const time = (at: number): string => new Date(at).toISOString()

const pairText = ({ event, client }: Pair): string => singleLine(`    ${event}, client ${client}`)

/** Lines about the pairs, the letters that they would be in, and those that they were in; of each kind as many as asked for. */
export function* pairLines(file: ReplayFile, rules: Rules, most: number): Generator<string> {
  yield* letterLines('Gained', inLetters(file.pairs(['gained']), rules), most)
  let lost = 0
  for (const pair of file.pairs(['lost'])) {
    if (lost++ === 0) yield 'Lost, told on record and not by these rules:'
    if (lost > most) continue
    const letter = pair.told_in === '' ? 'not delivered yet' : pair.told_in
    yield singleLine(
      `  ${pair.monitor} to ${pair.recipient === '' ? '(its notice is no longer kept)' : recipientText(pair.recipient)}: ${letter}`,
    )
    yield pairText(pair)
  }
  if (lost > most) yield `  … and ${lost - most} more (--all lists them)`
}

function* letterLines(title: string, placed: Iterable<InLetter>, most: number): Generator<string> {
  let count = 0
  let present = 0
  for (const { pair, letter, dueAt } of placed) {
    if (count++ === 0) yield `${title}, letters that these rules would have written:`
    if (count > most) continue
    if (letter !== present)
      yield singleLine(`  letter ${letter}, ${pair.monitor} to ${recipientText(pair.recipient)}, about ${time(dueAt)}:`)
    present = letter
    yield pairText(pair)
  }
  if (count > most) yield `  … and ${count - most} more (--all lists them)`
}

/** One object a line: each pair with its letters, then the sums. */
export function* jsonLines(file: ReplayFile, rules: Rules, { counts, pairs }: Replayed): Generator<string> {
  const facts = ({ partition, offset, event, client, flow, monitor, recipient, at, told_in, replays }: Pair) => ({
    event,
    client,
    flow,
    monitor,
    recipient,
    at,
    partition,
    offset,
    told_in,
    ...(replays === '' ? {} : { replays: replays.split(' ') }),
  })
  for (const kind of ['gained', 'kept'] as const)
    for (const { pair, letter, dueAt } of inLetters(file.pairs([kind]), rules))
      yield JSON.stringify({ kind, ...facts(pair), letter: `${kind} ${letter}`, due_at: dueAt })
  for (const pair of file.pairs(['lost'])) yield JSON.stringify({ kind: 'lost', ...facts(pair) })
  const sums = Object.fromEntries(
    kinds.map((kind) => [kind, pairs.filter((pair) => pair.kind === kind).reduce((sum, { count }) => sum + count, 0)]),
  )
  yield JSON.stringify({ kind: 'sums', ...counts, ...sums })
}
