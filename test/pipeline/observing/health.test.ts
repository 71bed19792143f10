import { describe, expect, it } from 'vitest'
import { endpoints } from '../../../pipeline/observing/endpoints.ts'
import { type Health, openHealth } from '../../../pipeline/observing/health.ts'

const page = { page: () => Promise.resolve('relay_x 1\n'), contentType: 'text/plain; version=0.0.4; charset=utf-8' }

const asked = async (health: Health, path: string): Promise<readonly [number, unknown]> => {
  const answer = await endpoints(page, health, { queues: () => [] }).request(path)
  const { queues: _, ...said } = (await answer.json()) as { queues?: unknown }
  return [answer.status, said]
}
const running = (): Health => {
  const health = openHealth()
  health.note({ name: 'relay ready' })
  return health
}

describe('health', () => {
  it('is not ready before the stages run, and lives', async () => {
    const health = openHealth()
    expect(await asked(health, '/readyz')).toEqual([
      503,
      { ok: false, missing: [{ what: 'stages', reason: 'the stages are being started' }], away: [] },
    ])
    expect(await asked(health, '/healthz')).toEqual([200, { ok: true, missing: [], away: [] }])
    health.note({ name: 'relay ready' })
    expect(await asked(health, '/readyz')).toEqual([200, { ok: true, missing: [], away: [] }])
  })

  it('is not ready while the log cannot be reached, and names each part of it', async () => {
    const health = running()
    health.note({ name: 'log unavailable', topology: 'decide', reason: 'no broker answers' })
    health.note({ name: 'log unavailable', topology: 'deliver', reason: 'no broker answers' })
    health.note({ name: 'log available again', topology: 'decide' })
    expect(await asked(health, '/readyz')).toEqual([
      503,
      { ok: false, missing: [{ what: 'log deliver', reason: 'no broker answers' }], away: [] },
    ])
    health.note({ name: 'log available again', topology: 'deliver' })
    expect(health.ready().ok).toBe(true)
  })

  it('stays ready while mail or the source is away, and says so', async () => {
    const health = running()
    health.note({ name: 'mail server away', channel: 'default', reason: 'nothing listens' })
    health.note({ name: 'source away', org: 'root', reason: 'silent' })
    expect(await asked(health, '/readyz')).toEqual([
      200,
      {
        ok: true,
        missing: [],
        away: [
          { what: 'mail default', reason: 'nothing listens' },
          { what: 'source root', reason: 'silent' },
        ],
      },
    ])
    health.note({ name: 'mail server back', channel: 'default' })
    health.note({ name: 'source back', org: 'root' })
    expect(health.ready().away).toEqual([])
  })

  it('no longer says that a source is away that nobody reads any more', () => {
    const health = running()
    for (const queues of ['A, B', 'C']) health.note({ name: 'source away', org: 'root', queues, reason: 'silent' })
    health.note({ name: 'source dropped', org: 'root', queues: 'C', unread: 'C' })
    expect(health.ready().away).toHaveLength(1)
    health.note({ name: 'source dropped', org: 'root', queues: 'A, B', unread: 'B' })
    expect(health.ready().away).toEqual([])
  })

  it('is not ready while it stops, and does not live once it has failed', () => {
    const health = running()
    health.note({ name: 'relay stopping' })
    expect([health.ready().ok, health.live().ok]).toEqual([false, true])
    health.note({ name: 'relay failed' })
    expect([health.ready().ok, health.live().ok]).toEqual([false, false])
  })

  it('gives the metrics with their content type, and nothing else', async () => {
    const app = endpoints(page, running(), { queues: () => [] })
    const metrics = await app.request('/metrics')
    expect([metrics.status, metrics.headers.get('content-type'), await metrics.text()]).toEqual([
      200,
      'text/plain; version=0.0.4; charset=utf-8',
      'relay_x 1\n',
    ])
    for (const [path, method] of [
      ['/', 'GET'],
      ['/metrics', 'POST'],
    ] as const)
      expect((await app.request(path, { method })).status).toBe(404)
  })
})
