import Table from 'cli-table3'
import type { Command, Delivery } from '../../schemas/generated.ts'
import { recipientText } from '../../connectors/message/user-group.ts'
import { counted } from '../letters/amounts.ts'
import { elideRight, singleLine } from '../letters/texts.ts'
import type { DeadLetterFacts } from './read-dead-letters.ts'

/** What was asked for one letter, and the answer; null: none came in time. */
export interface Done {
  readonly facts: DeadLetterFacts
  readonly command: string
  readonly answer: Delivery['outcome'] | null
  readonly reason: string
}

const longestReason = 60
const time = (at: number): string => new Date(at).toISOString()
const aboutOf = ({ notices }: DeadLetterFacts): string =>
  notices.length === 1 ? notices[0]?.name || notices[0]?.flow || '' : `${notices.length} events`

/** A table of dead letters for a terminal. */
export const listText = (letters: readonly DeadLetterFacts[]): string => {
  if (letters.length === 0) return 'There are no letters that could not be delivered.'
  const table = new Table({
    head: ['letter', 'since', 'monitor', 'recipient', 'about', 'reason', 'asked'],
    style: { head: [], border: [] },
  })
  for (const letter of letters)
    table.push([
      letter.letter,
      time(letter.diedAt),
      singleLine(letter.monitor),
      singleLine(recipientText(letter.recipient)),
      singleLine(aboutOf(letter)),
      `${letter.class}: ${elideRight(singleLine(letter.reason), longestReason)}`,
      letter.asked ?? '',
    ])
  return `${table.toString()}\n${counted(letters.length, 'letter')} could not be delivered.`
}

/** Everything that is known of a dead letter, for a terminal. */
export const showText = (letter: DeadLetterFacts): string =>
  [
    `Letter ${letter.letter}`,
    `  died at   ${time(letter.diedAt)}`,
    `  recipient ${singleLine(recipientText(letter.recipient))}`,
    `  monitor   ${singleLine(letter.monitor)}, through mail channel ${singleLine(letter.channel)}`,
    `  reason    ${letter.class}: ${singleLine(letter.reason)}`,
    ...(letter.severity === '' ? [] : [`  severity  ${singleLine(letter.severity)}`]),
    ...(letter.asked === null
      ? []
      : [`  asked     ${letter.asked}, not answered yet: it waits for a service that delivers`]),
    ...letter.notices.map(({ id, event }) => `  tells     ${singleLine(event)} (notice ${id})`),
    `  its story: relay why ${singleLine(letter.notices[0]?.event ?? letter.letter)}`,
  ].join('\n')

const deeds: Readonly<Record<Command['kind'], readonly [will: string, done: string]>> = {
  redrive: ['To send again', 'redriven'],
  drop: ['To drop', 'dropped'],
}

/** How many letters to how many people; `pending`: those for which something was asked already. */
export const countsText = (kind: Command['kind'], letters: readonly DeadLetterFacts[], pending: number): string => {
  const events = letters.reduce((sum, { notices }) => sum + notices.length, 0)
  const people = new Set(letters.map(({ recipient }) => recipient.toLowerCase())).size
  const waiting = pending === 0 ? '' : ` ${counted(pending, 'more letter')} wait(s) for what was asked before.`
  return `${deeds[kind][0]}: ${counted(letters.length, 'letter')} to ${counted(people, 'recipient')}, about ${counted(events, 'event')}.${waiting}`
}

/** What came of it. */
export const doneText = (kind: Command['kind'], done: readonly Done[]): string => {
  const open = done.filter(({ answer }) => answer === null).length
  const declined = done.filter(({ answer }) => answer === 'declined')
  return [
    `${counted(done.length - open - declined.length, 'letter')} ${deeds[kind][1]}.`,
    ...declined.map(({ facts, reason }) => `Declined: ${facts.letter}: ${singleLine(reason)}`),
    ...(open === 0
      ? []
      : [`${counted(open, 'letter')} not answered yet: it is done as soon as a service with the stage deliver runs.`]),
  ].join('\n')
}
