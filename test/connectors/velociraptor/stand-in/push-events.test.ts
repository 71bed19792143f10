import { credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { firstValueFrom, toArray, filter, map } from 'rxjs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ApiConfig, readApiConfig } from '../../../../connectors/velociraptor/api-config.ts'
import { apiService } from '../../../../connectors/velociraptor/api-messages.ts'
import { openVelociraptor } from '../../../../connectors/velociraptor/grpc.ts'
import { type StandIn, startStandIn } from '../../../../connectors/velociraptor/stand-in/server.ts'
import { createWorld } from '../../../../connectors/velociraptor/stand-in/world.ts'
import { systemClock } from '../../../../pipeline/runtime/system-clock.ts'

const queue = 'Custom.Watch'

describe('PushEvents of the stand-in server', () => {
  let dir: string
  let server: StandIn
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'stand-in-'))
    const world = createWorld({
      artifacts: [{ name: queue, type: 'SERVER_EVENT' }],
      users: [
        { name: 'sender', roles: ['api'], publish_queues: [queue] },
        { name: 'admin', roles: ['administrator'] },
      ],
    })
    server = await startStandIn({ world, clock: systemClock(), port: 0, dir })
  })
  afterEach(async () => {
    await server.close()
    rmSync(dir, { recursive: true })
  })

  const configOf = (user: string): ApiConfig => {
    const { config, problems } = readApiConfig(server.apiConfigFor(user), { now: Date.now() })
    if (config === null) throw new Error(problems.map(({ text }) => text).join('; '))
    return config
  }
  /** Its gRPC code and words; null: taken. */
  const push = async (user: string, jsonl: string, artifact = queue): Promise<readonly [number, string] | null> => {
    const { ca, certificate, privateKey, address } = configOf(user)
    const Client = apiService()
    const client = new Client(
      address,
      credentials.createSsl(Buffer.from(ca), Buffer.from(privateKey), Buffer.from(certificate)),
      { 'grpc.ssl_target_name_override': 'VelociraptorServer' },
    )
    const call = client['PushEvents']?.bind(client) as (
      request: object,
      metadata: Metadata,
      done: (error: ServiceError | null) => void,
    ) => void
    const error = await new Promise<ServiceError | null>((resolve) => {
      call({ artifact, jsonl: Buffer.from(jsonl), write: true }, new Metadata(), resolve)
    })
    client.close()
    return error === null ? null : [error.code, error.details]
  }
  const stored = async (): Promise<readonly unknown[]> => {
    const velociraptor = openVelociraptor({ config: configOf('admin') })
    const rows = velociraptor
      .query({
        org: 'root',
        vql: `SELECT Text, _Sender FROM monitoring(artifact='${queue}', client_id='server', start_time=0)`,
        env: {},
        timeoutS: 10,
      })
      .pipe(
        filter((message) => message.kind !== 'log'),
        map((message) => message.rows),
        toArray(),
      )
    const found = (await firstValueFrom(rows)).flat().map((row) => JSON.parse(row) as unknown)
    await velociraptor.close()
    return found
  }

  it('makes events of lines and of an array, and names who sent them', async () => {
    expect(await push('sender', '{"Text":"one"}\n{"Text":"two"}\n')).toBeNull()
    expect(await push('sender', '[{"Text":"three"}]')).toBeNull()
    expect(await stored()).toEqual(['one', 'two', 'three'].map((Text) => ({ Text, _Sender: 'sender' })))
  })

  it('refuses who was not given the queue, also an administrator, and who is unknown', async () => {
    expect(await push('admin', '{}')).toEqual([7, `Permission denied: PUBLISH admin to ${queue}`])
    expect(await push('sender', '{}', 'Custom.Other')).toEqual([7, 'Permission denied: PUBLISH sender to Custom.Other'])
    expect(await push('stranger', '{}')).toMatchObject([5, expect.any(String)])
    expect(await stored()).toEqual([])
  })
})
