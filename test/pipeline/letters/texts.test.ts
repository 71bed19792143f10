import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { elideLeft, elideMiddle, elideRight, singleLine, valueText, visible } from '../../../pipeline/letters/texts.ts'

// Every code point, lone surrogates too.
const anyText = fc.array(fc.nat(0x10ffff), { maxLength: 30 }).map((points) => String.fromCodePoint(...points))

describe('visible', () => {
  it.each([
    ['plain text', 'plain text'],
    ['\u202egpj.exe', '\\u202egpj.exe'],
    ['\u2066a\u2069\u200e\u200f\u061c', '\\u2066a\\u2069\\u200e\\u200f\\u061c'],
    ['\u001b[2J\u0007\u0000', '\\u001b[2J\\u0007\\u0000'],
    ['a\tb\rc', 'a\\u0009b\\u000dc'],
    ['\u007f\u0085\u009b', '\\u007f\\u0085\\u009b'],
    ['a\u2028b\u2029c', 'a\\u2028b\\u2029c'],
    ['\ufeffa\u200bb', '\\ufeffa\\u200bb'],
    ['\u{e0041}', '\\u{e0041}'],
    ['lone \ud83d and \udc00', 'lone \\ud83d and \\udc00'],
    ['one\r\ntwo\nthree', 'one\ntwo\nthree'],
    ['naïve 日本語 👩‍👧 עברית', 'naïve 日本語 👩‍👧 עברית'],
    ['C:\\new\\table', 'C:\\new\\table'],
  ])('shows %j as %j', (given, shown) => {
    expect(visible(given)).toBe(shown)
  })

  it('changes nothing that is already visible', () => {
    fc.assert(fc.property(anyText, (text) => visible(visible(text)) === visible(text)))
  })
})

describe('singleLine', () => {
  it.each([
    ['a\nb', 'a b'],
    ['a\r\n\r\nb', 'a b'],
    ['a \n  b', 'a b'],
    ['a\u2028b\u0085c\fd', 'a b c d'],
    ['a\n \n\tb', 'a b'],
    ['\u001b', '\\u001b'],
  ])('makes %j %j', (given, shown) => {
    expect(singleLine(given)).toBe(shown)
  })

  it('takes a moment for a hundred thousand spaces', () => {
    const spaces = `é${' '.repeat(100_000)}x`
    const begun = performance.now()
    expect(singleLine(spaces)).toBe(spaces)
    expect(performance.now() - begun).toBeLessThan(1000)
  }, 60_000)

  it('never holds a character that could end a line or a header', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(singleLine(text)).not.toMatch(/[\p{Cc}\p{Cs}\u2028\u2029]/u)
      }),
    )
  })
})

describe('elision', () => {
  it('RD-31 keeps 30 characters of 31 two-byte ones', () => {
    expect(elideRight('é'.repeat(31), 30)).toBe(`${'é'.repeat(30)}…`)
    expect(elideRight('é'.repeat(30), 30)).toBe('é'.repeat(30))
  })

  it.each([
    ['right', elideRight('👍👍👍', 2), '👍👍…'],
    ['right', elideRight('👍👍👍', 3), '👍👍👍'],
    ['right', elideRight('abc', 0), '…'],
    ['left', elideLeft('👍a👍', 2), '…a👍'],
    ['left', elideLeft('👍a👍', 3), '👍a👍'],
    ['left', elideLeft('abc', 0), '…'],
    ['middle', elideMiddle('abcdefg', 4), 'ab…fg'],
    ['middle', elideMiddle('abcdefg', 5), 'ab…fg'],
    ['middle', elideMiddle('👍bcdef👎', 2), '👍…👎'],
    ['middle', elideMiddle('abc', 3), 'abc'],
  ])('cuts %s between whole characters: %s', (_, cut, expected) => {
    expect(cut).toBe(expected)
  })

  it('refuses a middle of less than two characters', () => {
    expect(() => elideMiddle('abc', 1)).toThrow(RangeError)
  })

  it('counts code points whatever the text holds', () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 2, max: 20 }), (given, length) => {
        const points = Array.from(given)
        const whole = points.length <= length
        const half = Math.floor(length / 2)
        expect(elideRight(given, length)).toBe(whole ? given : `${points.slice(0, length).join('')}…`)
        expect(elideLeft(given, length)).toBe(whole ? given : `…${points.slice(-length).join('')}`)
        expect(elideMiddle(given, length)).toBe(
          whole ? given : `${points.slice(0, half).join('')}…${points.slice(-half).join('')}`,
        )
      }),
    )
  })
})

describe('valueText', () => {
  it.each([
    [null, ''],
    [undefined, ''],
    [false, 'false'],
    [0, '0'],
    [-1, '-1'],
    [2.5, '2.5'],
    ['2026-04-22T16:25:30.43036585Z', '2026-04-22T16:25:30.43036585Z'],
    [{ a: 1, b: [1, null] }, '{"a":1,"b":[1,null]}'],
    [['a', 'b'], '["a","b"]'],
  ])('writes %j as %j', (value, text) => {
    expect(valueText(value)).toBe(text)
  })

  it('writes integers of any size', () => {
    expect(valueText(12345678901234567890n)).toBe('12345678901234567890')
    expect(valueText({ big: 12345678901234567890n })).toBe('{"big":"12345678901234567890"}')
  })
})
