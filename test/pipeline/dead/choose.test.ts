import { describe, expect, it } from 'vitest'
import { chosen, type DeadFilter } from '../../../pipeline/dead/choose.ts'
import type { DeadLetterFacts } from '../../../pipeline/dead/read-dead-letters.ts'

const letter: DeadLetterFacts = {
  letter: 'letter1',
  partition: 0,
  diedAt: 1000,
  class: 'refused',
  reason: 'the mail server refused it: 550 no',
  monitor: 'soc',
  channel: 'default',
  recipient: 'Lead@Example.org',
  severity: '',
  notices: [
    { id: 'letter1', event: 'root/C.1/F.1/9', flow: 'F.1', client: 'C.1', name: '' },
    { id: 'notice2', event: 'root/C.1/F.2/9', flow: 'F.2', client: 'C.1', name: '' },
  ],
  asked: null,
}
const isChosen = (filter: Partial<DeadFilter>): boolean => chosen([letter], { words: [], ...filter }).length === 1

describe('a dead letter', () => {
  it.each([
    [{}, true],
    [{ words: ['letter1'] }, true],
    [{ words: ['other', 'lett'] }, true],
    [{ words: ['notice2'] }, true],
    [{ words: ['F.2'] }, true],
    [{ words: ['root/C.1/F.1'] }, true],
    [{ words: ['etter1'] }, false],
    [{ words: [''] }, false],
    [{ recipient: 'lead@EXAMPLE.org' }, true],
    [{ recipient: '@example.org' }, true],
    [{ recipient: '@ample.org' }, false],
    [{ recipient: 'ead@example.org' }, false],
    [{ since: 1000 }, true],
    [{ since: 1001 }, false],
    [{ monitor: 'soc', channel: 'default', reason: 'refused' }, true],
    [{ monitor: 'so' }, false],
    [{ channel: 'other' }, false],
    [{ reason: 'expired' }, false],
    [{ words: ['letter1'], monitor: 'other' }, false],
  ] as const)('is chosen by %j: %s', (filter, expected) => {
    expect(isChosen(filter)).toBe(expected)
  })
})
