import { Hono } from 'hono'
import type { Health, HealthReport } from './health.ts'
import type { Metrics } from './metrics.ts'
import type { SyncState } from './sync-state.ts'

const status = ({ ok }: HealthReport): 200 | 503 => (ok ? 200 : 503)

/** `/metrics`, `/healthz` and `/readyz`, which also says how far each queue has been read. */
export const endpoints = (
  metrics: Pick<Metrics, 'page' | 'contentType'>,
  health: Health,
  sync: Pick<SyncState, 'queues'>,
): Hono =>
  new Hono()
    .get('/metrics', async (context) =>
      context.text(await metrics.page(), 200, { 'Content-Type': metrics.contentType }),
    )
    .get('/healthz', (context) => context.json(health.live(), status(health.live())))
    .get('/readyz', (context) => context.json({ ...health.ready(), queues: sync.queues() }, status(health.ready())))
