import { resolve } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { howToMakeApiConfig, initialConfiguration, passwordVariable } from '../../../pipeline/config/init.ts'
import type { InitialAnswers } from '../../../pipeline/config/init.ts'
import { printProblem } from '../../../pipeline/config/problem.ts'
import { readConfiguration } from '../../../pipeline/config/read-configuration.ts'
import { surroundingsOf } from './surroundings-of.ts'

const answers: InitialAnswers = {
  guiUrl: 'https://velociraptor.example.org/app/index.html',
  apiConfig: './api.config.yaml',
  mailUrl: 'smtps://relay@mail.example.org:465',
  from: 'Velociraptor <velociraptor@example.org>',
  recipient: 'SOC <soc@example.org>',
}

const around = surroundingsOf({}, { [passwordVariable]: 'hunter2' })

describe('a new relay.yaml', () => {
  it.each([
    ['with a login', answers],
    ['without a login', { ...answers, mailUrl: 'smtp://127.0.0.1:2525' }],
    ['with plain addresses', { ...answers, from: 'a@example.org', recipient: 'b@example.org' }],
    ['with odd names', { ...answers, from: '"Doe, J.: #1" <doe@example.org>', recipient: '"[SOC]" <soc@example.org>' }],
  ])('reads back without problems: %s', (_case, given) => {
    const { configuration, problems } = readConfiguration(initialConfiguration(given), around)
    expect(problems.map(printProblem)).toEqual([])
    expect(configuration?.velociraptor.guiUrl).toBe(given.guiUrl)
    expect(configuration?.monitors[0]?.parameters).toMatchObject({
      Recipients: [{ address: expect.any(String) as string }],
    })
    expect(configuration?.channels[0]?.allowedDomains).toEqual(['example.org'])
  })

  it('never holds a password, and takes it from the environment instead', () => {
    const text = initialConfiguration({ ...answers, mailUrl: 'smtps://relay:hunter2:@/2@mail.example.org' })
    expect(text).not.toContain('hunter2')
    const login = readConfiguration(text, around).configuration?.channels[0]?.login ?? null
    expect(login !== null && 'password' in login && login.password.reveal()).toBe('hunter2')
  })

  it('holds each answer as it was given, whatever is in it', () => {
    const path = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }).filter((text) => text.isWellFormed())
    const odd = fc.string({
      unit: fc.constantFrom(...':#\'"[]{},&*!|>%@`-?. \n\t~\\true05e'),
      minLength: 1,
      maxLength: 8,
    })
    fc.assert(
      fc.property(fc.oneof(path, odd), (apiConfig) => {
        const readBack = readConfiguration(initialConfiguration({ ...answers, apiConfig }), around)
        const { configuration, problems } = readConfiguration(
          initialConfiguration({ ...answers, recipient: apiConfig }),
          around,
        )
        expect(readBack.configuration?.velociraptor.apiConfig).toBe(resolve('/etc/relay', apiConfig))
        expect(configuration === null).toBe(problems.some(({ level }) => level === 'error'))
        expect(
          problems.every(({ path: where }) => where.startsWith('monitors') || where.startsWith('mail.allowed')),
        ).toBe(true)
      }),
      { numRuns: 40 },
    )
  })
})

it('names every trap of the first hour', () => {
  for (const trap of [
    '--role api',
    'restart',
    '300 seconds',
    '127.0.0.1:8001',
    'API.bind_address',
    'API.hostname',
    '365 days',
    'Server.Monitor.*',
  ])
    expect(howToMakeApiConfig).toContain(trap)
})
