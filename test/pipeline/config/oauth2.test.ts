import { describe, expect, it } from 'vitest'
import { printProblem } from '../../../pipeline/config/problem.ts'
import { readConfiguration } from '../../../pipeline/config/read-configuration.ts'
import { surroundingsOf } from './surroundings-of.ts'

const around = surroundingsOf(
  { '/etc/relay/key.json': '{\n"private_key": "hunter2"\n}\n' },
  { SECRET: 'hunter2', TOKEN: 'hunter3' },
)
const read = (oauth2: string, more = '', user = 'relay%40example.org@') =>
  readConfiguration(
    `velociraptor: { api_config: a, gui_url: https://velociraptor.example.org/ }
mail: { url: 'smtp://${user}smtp.example.org', from: relay@example.org, oauth2: { ${oauth2} }${more} }
monitors: [{ artifact: Server.Monitor.FlowCompletion, parameters: { Recipients: [soc@example.org] } }]
`,
    around,
  )
const problemsOf = (...given: Parameters<typeof read>): readonly string[] => {
  const { configuration, problems } = read(...given)
  expect(configuration).toBeNull()
  return problems.map((problem) => printProblem(problem).replace(/^\S*relay.yaml:\d+:\d+ /, ''))
}

describe('oauth2:', () => {
  it.each([
    [
      'Microsoft 365, the application for itself',
      'provider: microsoft, tenant: example.onmicrosoft.com, client_id: app, client_secret: { env: SECRET }',
      'https://login.microsoftonline.com/example.onmicrosoft.com/oauth2/v2.0/token',
      'https://outlook.office365.com/.default',
      'client credentials',
    ],
    [
      'Microsoft 365, for a user',
      'provider: microsoft, client_id: app, refresh_token: { env: TOKEN }',
      'https://login.microsoftonline.com/common/oauth2/v2.0/token',
      'https://outlook.office.com/SMTP.Send offline_access',
      'refresh token',
    ],
    [
      'Google, for a user',
      'provider: google, client_id: app, client_secret: { env: SECRET }, refresh_token: { env: TOKEN }',
      'https://oauth2.googleapis.com/token',
      null,
      'refresh token',
    ],
    [
      'Google, a service account',
      'provider: google, service_account: { file: key.json }',
      'https://oauth2.googleapis.com/token',
      'https://mail.google.com/',
      'service account',
    ],
    [
      'somebody else',
      'token_url: https://id.example.org/token, scope: smtp, client_id: app, client_secret: { env: SECRET }',
      'https://id.example.org/token',
      'smtp',
      'client credentials',
    ],
  ])('%s', (_what, oauth2, tokenUrl, scope, kind) => {
    const { configuration, problems } = read(oauth2)
    expect(problems).toEqual([])
    const login = configuration?.channels[0]?.login
    expect(login).toMatchObject({ user: 'relay@example.org', oauth2: { tokenUrl, scope, grant: { kind } } })
    expect(JSON.stringify(login)).not.toContain('hunter')
  })

  it.each([
    [
      '',
      [
        'mail.oauth2.client_id: is missing',
        'mail.oauth2: names nobody who gives tokens: write provider: microsoft, provider: google, or token_url',
      ],
    ],
    [
      'provider: microsoft, client_id: a',
      ['mail.oauth2: needs a client_secret (the application logs in for itself) or a refresh_token'],
    ],
    [
      'provider: microsoft, client_id: a, client_secret: { env: SECRET }',
      ['mail.oauth2: needs a tenant when the application logs in for itself'],
    ],
    [
      'provider: google, client_id: a, client_secret: { env: SECRET }',
      ['mail.oauth2: Google wants a refresh_token or a service_account'],
    ],
    [
      'provider: google, client_id: a, service_account: { file: key.json }',
      ['mail.oauth2.service_account: stands alone: remove client_id, client_secret and refresh_token'],
    ],
    [
      'provider: google, client_id: a, refresh_token: hunter2',
      ['mail.oauth2.refresh_token: a refresh token must not stand in this file: write { file: PATH } or { env: NAME }'],
    ],
    [
      'provider: googel, client_id: a, refresh_token: { env: TOKEN }',
      ['mail.oauth2.provider: must be one of microsoft, google: did you mean google?'],
    ],
    [
      'token_url: http://id.example.org/, client_id: a, refresh_token: { env: TOKEN }',
      ['mail.oauth2.token_url: must be https://: secrets are sent there'],
    ],
  ])('%s is refused', (oauth2, expected) => expect(problemsOf(oauth2)).toEqual(expected))

  it('needs a user, and stands for a password', () => {
    const good = 'provider: google, client_id: a, refresh_token: { env: TOKEN }'
    expect(problemsOf(good, '', '')).toEqual([
      'mail.oauth2: needs a user: write it into the url, as in smtp://user%40example.org@host',
    ])
    expect(problemsOf(good, ', password: { env: SECRET }')).toEqual([
      'mail.password: stands beside `oauth2:`: remove one of the two',
    ])
  })
})
