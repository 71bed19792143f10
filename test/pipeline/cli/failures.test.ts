import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { askLine } from '../../../pipeline/cli/ask-line.ts'
import { demoCommand, shownOf } from '../../../pipeline/cli/demo-command.ts'
import { importCommand } from '../../../pipeline/cli/import-command.ts'
import { initCommand } from '../../../pipeline/cli/init-command.ts'
import { previewCommand } from '../../../pipeline/cli/preview-command.ts'
import { runCommand } from '../../../pipeline/cli/run-command.ts'
import { sendMailCommand } from '../../../pipeline/cli/send-mail-command.ts'
import { simulateCommand } from '../../../pipeline/cli/simulate-command.ts'
import { systemFailure } from '../../../pipeline/cli/system-failure.ts'
import { runRelay, writeConfiguration } from './run-relay.ts'

const main = join(import.meta.dirname, '../../../pipeline/cli/relay.js')
const recording = join(import.meta.dirname, '../../../pipeline/demo/recording.yaml')

let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'relay-failures-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

describe('what the machine refuses', () => {
  it('is one line that says where and why: a folder that is not there', async () => {
    const file = join(dir, 'none', 'relay.yaml')
    const { code, err } = await runRelay('init', '-o', file)
    expect([code, err]).toEqual([1, `${file}: there is no such folder or file (ENOENT)\n`])
  })

  it('is one line that says where and why: a file where the demo’s folder should be, before anything begins', async () => {
    const file = join(dir, 'out')
    writeFileSync(file, '')
    const { code, out, err } = await runRelay('demo', '-o', file)
    expect([code, out, err]).toEqual([1, '', `${file}: a file of this name is in the way (EEXIST)\n`])
  })

  it('is one line that says where and why: a port that is in use', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    const { code, err } = await runRelay('simulate', recording, '--port', String(port), '--dir', dir)
    other.close()
    expect([code, err]).toEqual([2, expect.stringMatching(/^127\.0\.0\.1:\d+: the port is in use.*\n$/)])
  })

  it('is quiet where whoever reads the output has seen enough', async () => {
    const scenario = join(dir, 'many.yaml')
    writeFileSync(scenario, Array.from({ length: 20 }, (_, n) => `name: number ${n}\n`).join('---\n'))
    const child = spawn(process.execPath, [main, 'test', scenario], { stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.destroy()
    const [[code], err] = await Promise.all([once(child, 'close'), text(child.stderr)])
    expect([code, err]).toEqual([141, ''])
  })
})

describe('what fails', () => {
  const failed = (code: string, more: object = {}) => Object.assign(new Error('failed'), { code, ...more })

  it.each([
    ['SQLITE_FULL', {}, "a database in the log's directory: the disk is full: make room (SQLITE_FULL)"],
    ['SQLITE_CANTOPEN_ISDIR', {}, expect.stringContaining('see to its directory')],
    ['ENOSPC', { syscall: 'write' }, 'write: the disk is full: make room (ENOSPC)'],
    ['EIO', { syscall: 'open', path: 'a\nb' }, 'a b: that failed (EIO)'],
    ['EADDRNOTAVAIL', { syscall: 'listen', address: '10.1.2.3' }, '10.1.2.3: this machine has no such address'],
  ])('in the machine is said in a line: %s', (code, more, text) => {
    expect(systemFailure(failed(code, more))?.text).toEqual(text)
  })

  it.each([new Error('x'), failed('ERR_INVALID_ARG_TYPE'), failed('SQLITE_ERROR'), 'x', null])(
    'in the relay itself is none of that: %s',
    (cause) => expect(systemFailure(cause)).toBeNull(),
  )
})

describe('a question at a terminal', () => {
  it.each([
    ['an answer', ' me@example.org \r', 'me@example.org'],
    ['Ctrl-C', '\u0003', null],
    ['Ctrl-D', '\u0004', null],
  ])('takes %s', async (_, typed, is) => {
    const input = new PassThrough()
    const output = Object.assign(new PassThrough(), { isTTY: true })
    const asked = askLine('Who is told: ', { input, output })
    input.write(typed)
    expect(await asked).toBe(is)
  })
})

describe('the demo', () => {
  it('leaves nothing behind when it is stopped', async () => {
    const [rest, out] = [join(dir, 'rest'), join(dir, 'out')]
    mkdirSync(rest)
    const left = (): readonly string[] => readdirSync(rest).filter((name) => name.startsWith('raptor-relay-demo-'))
    const child = spawn(process.execPath, [main, 'demo', '-o', out], {
      env: { ...process.env, TMPDIR: rest },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    expect(left()).toHaveLength(1)
    child.kill('SIGINT')
    child.stdout.resume()
    expect(await once(child, 'exit')).toEqual([130, null])
    expect(left()).toEqual([])
  })

  it('shows what has a log line, and nothing that is only counted', () => {
    expect(shownOf({ name: 'mail server away', channel: 'mail' })).toBe('relay    mail server away {"channel":"mail"}')
    expect(shownOf({ name: 'event judged', monitor: 'soc' })).toBeNull()
    expect(shownOf({ name: 'letter delivered', letter: 'x' })).toBeNull()
    // As at the end of every demo.
    expect(shownOf({ name: 'source dropped', org: 'root' })).toBeNull()
  })
})

describe('relay check', () => {
  it('says once that what it found is a warning', async () => {
    const file = writeConfiguration(dir)
    appendFileSync(file, '  - { artifact: Server.Monitor.FlowCompletion, batch: { quiet: 1h, longest: 1m } }\n')
    const { out } = await runRelay('check', '-c', file)
    expect(out).toMatch(/^WARN  configuration: .*relay\.yaml:\d+:\d+ monitors\[2\]/m)
    expect(out).not.toContain('warning:')
  })
})

describe('the help of each command', () => {
  it.each([demoCommand, importCommand, initCommand, previewCommand, runCommand, sendMailCommand, simulateCommand])(
    'says what each option is for, and no default that is only a means: %o',
    (make) => {
      const { options } = make()
      expect(options.filter(({ description }) => description === '')).toEqual([])
      expect(options.filter(({ defaultValue }) => typeof defaultValue === 'object' || defaultValue === '')).toEqual([])
    },
  )
})
