import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { readApiConfig, type ApiConfig, type ApiConfigProblem } from '../../../connectors/velociraptor/api-config.ts'
import { makeAuthority, type Authority, type Identity } from '../../../connectors/velociraptor/stand-in/certificates.ts'

const day = 86_400_000
const now = Date.UTC(2026, 5, 1)

let dir: string
let authority: Authority
let other: Authority
let user: Identity
let stranger: Identity

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'api-config-'))
  const long = { from: now - 100 * day, to: now + 1000 * day }
  authority = makeAuthority({ name: 'Authority', ...long })
  other = makeAuthority({ name: 'Authority', ...long })
  user = authority.forUser({ name: 'connector', from: now - day, to: now + 365 * day })
  stranger = other.forUser({ name: 'connector', from: now - day, to: now + 365 * day })
})

afterAll(() => rmSync(dir, { recursive: true }))

let files = 0
const fileOf = (text: string, mode = 0o600): string => {
  const file = join(dir, `${++files}.yaml`)
  writeFileSync(file, text)
  chmodSync(file, mode)
  return file
}

const good = (): Record<string, string> => ({
  ca_certificate: authority.certificate,
  client_cert: user.certificate,
  client_private_key: user.privateKey,
  api_connection_string: '127.0.0.1:8001',
  name: 'connector',
})

const read = (
  change: Record<string, string | undefined> = {},
  options: { serverName?: string; mode?: number; at?: number } = {},
) =>
  readApiConfig(fileOf(stringify({ ...good(), ...change }, { keepUndefined: false }), options.mode), {
    now: options.at ?? now,
    ...(options.serverName === undefined ? {} : { serverName: options.serverName }),
  })

const configOf = (...args: Parameters<typeof read>): ApiConfig => {
  const { config, problems } = read(...args)
  expect(problems).toEqual([])
  return config as ApiConfig
}

const problemsOf = (...args: Parameters<typeof read>): readonly ApiConfigProblem[] => {
  const { config, problems } = read(...args)
  expect(config === null).toBe(true)
  for (const { text } of problems) expect(text).not.toMatch(/PRIVATE KEY-----|[A-Za-z0-9+/]{40}/)
  return problems
}

describe('the file of velociraptor config api_client', () => {
  it('gives certificates, address, user and end of the certificate', () => {
    expect(configOf()).toMatchObject({
      address: '127.0.0.1:8001',
      serverName: 'VelociraptorServer',
      principal: 'connector',
      expiresAt: now + 365 * day,
      warnings: [],
    })
  })

  it('takes the name of the server from the file, and from the option before it', () => {
    expect(configOf({ pinned_server_name: 'Pinned' }).serverName).toBe('Pinned')
    expect(configOf({ pinned_server_name: 'Pinned' }, { serverName: 'Given' }).serverName).toBe('Given')
  })

  it.each([
    ['unix:///run/api.sock', 'unix:/run/api.sock'],
    ['velociraptor.example.org:8001', 'velociraptor.example.org:8001'],
    ['[::1]:8001', '[::1]:8001'],
  ])('understands the address %s', (text, address) => {
    expect(configOf({ api_connection_string: text }).address).toBe(address)
  })

  it.each(['127.0.0.1', '127.0.0.1:0', '127.0.0.1:99999', 'https://127.0.0.1:8001', 'unix://'])(
    'refuses the address %s',
    (text) => {
      expect(problemsOf({ api_connection_string: text })).toMatchObject([
        { text: expect.stringContaining('api_connection_string') as string },
      ])
    },
  )

  it('says where in the file a bad value stands', () => {
    const head = 'name: connector\napi_connection_string: nowhere\n'
    const rest = stringify({
      ca_certificate: authority.certificate,
      client_cert: user.certificate,
      client_private_key: user.privateKey,
    })
    const { problems } = readApiConfig(fileOf(head + rest), { now })
    expect(problems).toMatchObject([{ line: 2, column: 24 }])
  })

  it('names all missing keys at once', () => {
    const problems = problemsOf({ ca_certificate: undefined, client_private_key: undefined, api_connection_string: '' })
    expect(problems.map(({ text }) => text.split(' ')[2])).toEqual([
      'ca_certificate',
      'client_private_key',
      'api_connection_string',
    ])
  })

  it('tells an unreadable file, one that is not YAML, and one that is something else', () => {
    expect(readApiConfig(join(dir, 'none'), { now }).problems).toMatchObject([
      { text: expect.stringMatching(/ENOENT.*config api_client/) as string },
    ])
    expect(readApiConfig(fileOf('a: [1\nb: 2'), { now }).problems[0]).toMatchObject({
      line: 2,
      text: expect.stringContaining('not YAML') as string,
    })
    expect(readApiConfig(fileOf('- 1'), { now }).problems).toMatchObject([{ line: 1, column: 1 }])
    expect(readApiConfig(fileOf(''), { now }).problems).toHaveLength(1)
  })

  it('refuses what is no certificate and no key', () => {
    const problems = problemsOf({ ca_certificate: 'x', client_cert: 'y', client_private_key: 'z' })
    expect(problems.map(({ line }) => line)).toEqual([1, 2, 3])
  })

  it('refuses a locked key and says how to get one that is not', () => {
    const locked = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' },
    }).privateKey
    expect(problemsOf({ client_private_key: locked })).toMatchObject([
      { text: expect.stringContaining('without --password') as string },
    ])
  })

  it('refuses a key of another certificate', () => {
    expect(problemsOf({ client_private_key: stranger.privateKey })).toMatchObject([
      { text: expect.stringContaining('does not belong') as string },
    ])
  })

  it('refuses a certificate of another authority, also one of the same name', () => {
    const problems = problemsOf({ client_cert: stranger.certificate, client_private_key: stranger.privateKey })
    expect(problems).toMatchObject([{ text: expect.stringContaining('not issued by ca_certificate') as string }])
  })

  it('refuses a certificate that has ended or has not begun', () => {
    expect(problemsOf({}, { at: now + 366 * day })).toMatchObject([
      { text: expect.stringContaining('ended on 2027-06-01') as string },
    ])
    expect(problemsOf({}, { at: now - 2 * day })).toMatchObject([
      { text: expect.stringContaining('valid only from 2026-05-31') as string },
    ])
  })

  it('warns thirty days before the certificate ends', () => {
    expect(configOf({}, { at: now + 334 * day }).warnings).toEqual([])
    expect(configOf({}, { at: now + 336 * day + 1 }).warnings).toMatchObject([
      { kind: 'certificate ends soon', daysLeft: 28 },
    ])
  })

  it('warns when others can read the file', () => {
    expect(configOf({}, { mode: 0o640 }).warnings).toMatchObject([{ kind: 'readable by others', mode: '0640' }])
  })
})
