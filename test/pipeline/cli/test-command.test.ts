import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { testCommand } from '../../../pipeline/cli/test-command.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'scenarios-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const write = (name: string, text: string): string => {
  const file = join(folder, name)
  writeFileSync(file, text)
  return file
}
const run = async (files: readonly string[], json = false) => {
  const lines: string[] = []
  const code = await testCommand(files, { json, print: (text) => lines.push(...text.split('\n')) })
  return { code, lines }
}
const passes = 'name: passes\nexpect: { mails: [] }\n'
const fails = 'name: "fails\\u001b[31m"\nexpect: { happenings: [{ name: "never\\u202e said" }] }\n'

it('prints one line for each scenario, the count last, and ends with 0 when all pass', async () => {
  expect(await run([write('a.yaml', `${passes}---\n${passes}`)])).toEqual({
    code: 0,
    lines: ['ok passes', 'ok passes', '2 passed, 0 failed'],
  })
})

it('explains what failed, shows foreign characters as escapes, and ends with 1', async () => {
  const { code, lines } = await run([write('a.yaml', `${passes}---\n${fails}`)])
  expect(code).toBe(1)
  expect(lines[0]).toBe('ok passes')
  expect(lines[1]).toMatch(/^FAILED fails\\u001b\[31m \(.*a\.yaml:4\)$/)
  expect(lines[2]).toBe(String.raw`  no happening is {"name":"never\u202e said"}`)
  expect(lines.at(-1)).toBe('1 passed, 1 failed')
  expect(lines.join('')).not.toMatch(/[\u001b\u202e]/)
})

it('takes every .yaml file of a directory and below', async () => {
  write('b.yaml', passes)
  write('note.txt', 'nothing')
  mkdirSync(join(folder, 'deep'))
  write('deep/a.yml', passes.replace('passes', 'deep'))
  expect(await run([folder])).toEqual({ code: 0, lines: ['ok passes', 'ok deep', '2 passed, 0 failed'] })
})

it('says where a file is wrong, runs the others, and ends with 2', async () => {
  const wrong = write('wrong.yaml', `${passes}expects: {}\n`)
  const { code, lines } = await run([wrong, join(folder, 'missing.yaml'), write('a.yaml', passes)])
  expect(code).toBe(2)
  expect(lines).toEqual([
    `${wrong}:3:1 expects: is not known here: did you mean expect?`,
    `${join(folder, 'missing.yaml')}:1:1: cannot be read: is it there, and may this user read it?`,
    'ok passes',
    '1 passed, 0 failed',
  ])
})

it('ends with 2 for a directory without scenarios', async () => {
  expect(await run([folder])).toMatchObject({ code: 2 })
})

it('prints one JSON object a line when asked', async () => {
  const { code, lines } = await run([write('a.yaml', `${passes}---\n${fails}`), write('wrong.yaml', '[')], true)
  expect(code).toBe(2)
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    expect.objectContaining({ line: 1, column: 2, level: 'error' }),
    expect.objectContaining({ name: 'passes', ok: true, failures: [] }),
    expect.objectContaining({
      name: 'fails\u001b[31m',
      ok: false,
      line: 4,
      failures: [expect.stringContaining('no happening')],
    }),
    { passed: 1, failed: 1 },
  ])
})
