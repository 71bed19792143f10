import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseMailboxes, sameAddress } from '../../schemas/addresses.ts'

const mailboxes = (text: string): (readonly [string, string])[] => {
  const { mailboxes: found, problems } = parseMailboxes(text)
  expect(problems).toEqual([])
  return found.map(({ name, address }) => [name, address])
}

describe('a list of mailboxes', () => {
  it.each([
    ['soc@example.org', [['', 'soc@example.org']]],
    ['SOC <soc@example.org>', [['SOC', 'soc@example.org']]],
    ['<soc@example.org>', [['', 'soc@example.org']]],
    [
      '"Doe, J." <doe@example.org>, a@example.org; b@example.org',
      [
        ['Doe, J.', 'doe@example.org'],
        ['', 'a@example.org'],
        ['', 'b@example.org'],
      ],
    ],
    [
      ' a@example.org ,, ;b@example.org, ',
      [
        ['', 'a@example.org'],
        ['', 'b@example.org'],
      ],
    ],
    ['Jörg Ö <joerg@example.org>', [['Jörg Ö', 'joerg@example.org']]],
    ['Dr. J. Doe <doe@example.org>', [['Dr. J. Doe', 'doe@example.org']]],
    [String.raw`"quoted \"name\"" <a@example.org>`, [['quoted "name"', 'a@example.org']]],
    ["o'brien+velo/x=1@sub.xn--bcher-kva.example.org", [['', "o'brien+velo/x=1@sub.xn--bcher-kva.example.org"]]],
    ['', []],
  ] as const)('reads %s', (text, expected) => {
    expect(mailboxes(text)).toEqual(expected)
  })

  it.each([
    ['Null', 'no @'],
    ['a@example.org\r\nBcc: b@example.org', 'line break'],
    ['x\n <a@example.org>', 'line break'],
    ['a\0@example.org', 'control'],
    ['\u202e <a@example.org>', 'control'],
    ['team: a@example.org', 'group'],
    ['ü@example.org', 'local part that is not ASCII'],
    ['a@exämple.org', 'xn--'],
    ['"a b"@example.org', 'quoted local part'],
    ['a@[192.0.2.1]', 'number'],
    ['a@localhost', 'no valid'],
    ['a@b@example.org', 'no valid'],
    ['a..b@example.org', 'no valid'],
    ['a@-x.example.org', 'no host name'],
    ['a@ex_ample.org', 'no host name'],
    ['a@example.org.', 'no valid'],
    ['(note) a@example.org', 'comment'],
    ['a b@example.org', 'no valid'],
    [`${'a'.repeat(65)}@example.org`, 'too long'],
    [`a@${'b.'.repeat(126)}example.org`, 'too long'],
    ['SOC <soc@example.org', 'no valid'],
    ['SOC soc@example.org', 'no valid'],
    ['a@example.org <b@example.org>', 'no valid'],
  ])('refuses %j', (text, why) => {
    const parsed = parseMailboxes(text)
    expect(parsed.mailboxes).toEqual([])
    expect(parsed.problems).toEqual([expect.stringContaining(why)])
  })

  it('names the place of a bad entry, not its text, and keeps the good ones', () => {
    expect(parseMailboxes('a@example.org, nobody@, b@example.org; Null')).toEqual({
      mailboxes: [
        { address: 'a@example.org', name: '' },
        { address: 'b@example.org', name: '' },
      ],
      problems: ['entry 2 is no valid mail address', 'entry 4 is no mail address: it has no @'],
    })
  })

  it.each([
    ['brackets', `a${'('.repeat(100_000)}@example.org`],
    ['spaces', `a${' '.repeat(100_000)}b@example.org`],
  ])(
    'refuses an entry of a hundred thousand %s in a moment',
    (_, entry) => {
      const begun = performance.now()
      expect(parseMailboxes(`${entry}, soc@example.org`)).toEqual({
        mailboxes: [{ address: 'soc@example.org', name: '' }],
        problems: ['entry 1 is too long'],
      })
      expect(performance.now() - begun).toBeLessThan(1000)
    },
    60_000,
  )

  it('takes a name of hundreds of characters', () => {
    expect(mailboxes(`"${'ü '.repeat(300)}" <soc@example.org>`)).toEqual([['ü '.repeat(300).trim(), 'soc@example.org']])
  })

  it('gives only addresses that can stand in a command or a header, whatever the text', () => {
    const part = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('a@example.org', '<', '>', '"', ',', ';', ':', '\\', '\r\n', '@', ' ', '(', ')', '[', 'é'),
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        for (const { address, name } of parseMailboxes(parts.join('')).mailboxes) {
          expect(address).toMatch(/^[\w!#$%&'*+/=?^`{|}~.-]+@[a-z0-9.-]+$/i)
          expect(name).not.toMatch(/[\p{Cc}\u2028\u2029\u202e]/u)
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('compares addresses without regard to case', () => {
    expect(sameAddress('SOC@Example.org', 'soc@example.ORG')).toBe(true)
    expect(sameAddress('soc@example.org', 'soc2@example.org')).toBe(false)
  })
})
