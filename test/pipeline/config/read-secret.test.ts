import { describe, expect, it } from 'vitest'
import { printProblem } from '../../../pipeline/config/problem.ts'
import { readConfiguration } from '../../../pipeline/config/read-configuration.ts'
import { surroundingsOf } from './surroundings-of.ts'

const read = (login: string, more = '') =>
  readConfiguration(
    `velociraptor: { api_config: a, gui_url: https://velociraptor.example.org/ }
mail: { url: 'smtp://relay@smtp.example.org', from: relay@example.org, ${login} }
monitors: [{ artifact: Server.Monitor.FlowCompletion, parameters: { Recipients: [soc@example.org] } }]
${more}`,
    { ...surroundingsOf(), sendsNoMail: true },
  )
const problemsOf = (...given: Parameters<typeof read>): readonly string[] => read(...given).problems.map(printProblem)

describe('where nobody sends mail', () => {
  it.each([
    'password: { env: NOT_THERE }',
    'password: { file: not.there }',
    'oauth2: { provider: google, client_id: app, client_secret: { env: NOT_THERE }, refresh_token: { file: not.there } }',
    'oauth2: { provider: google, service_account: { file: not.there } }',
  ])('secrets of mail servers need not be there: %s', (login) => {
    expect(problemsOf(login)).toEqual([])
    expect(read(login).configuration?.channels[0]?.login?.user).toBe('relay')
  })

  it('a password in the file is refused all the same', () => {
    expect(problemsOf('password: hunter2')).toEqual([expect.stringContaining('must not stand in this file')])
    expect(problemsOf('password: { env: A, file: B }')).toEqual([expect.stringContaining('takes one of file and env')])
  })

  it('a secret of the log is read', () => {
    const kafka = (password: string): string =>
      `log: { kafka: { brokers: ['kafka:9092'], tls: true, sasl: { mechanism: plain, username: relay, password: { ${password} } } } }\n`
    expect(problemsOf('tls: required', kafka('env: NOT_THERE')).at(-1)).toContain('has no variable of this name')
  })
})
