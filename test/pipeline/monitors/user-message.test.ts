import { of } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { alone } from '../../../operators/batch.ts'
import { type Judgement, judgementOf } from '../../../operators/judgement.ts'
import { userMessageMonitor } from '../../../pipeline/monitors/user-message.ts'
import { readUserMessageParameters } from '../../../pipeline/monitors/user-message-parameters.ts'
import { heartbeatName, ownArtifact, troublePrefix } from '../../../schemas/own-alerts.ts'
import type { AlertEvent } from '../../../schemas/generated.ts'
import { alertEvent } from '../../operators/alert-events.ts'
import { openMemory } from './monitor-memory.ts'

const monitor = () => {
  const parameters = readUserMessageParameters({}, [], { report: () => undefined, writtenAt: () => undefined })
  if (parameters === null) throw new Error('the parameters cannot be used')
  return userMessageMonitor({
    name: 'gui',
    artifact: 'Server.Monitor.Alerts.UserMessage',
    channel: '',
    parameters,
    dedup: null,
    batch: alone,
  })
}
const judged = (event: AlertEvent): Judgement<AlertEvent> | undefined => {
  let judgement: Judgement<AlertEvent> | undefined
  of(judgementOf(event))
    .pipe(monitor().chain(openMemory()))
    .subscribe((one) => {
      judgement = one
    })
  return judgement
}
const own = (name: string): AlertEvent => alertEvent({ event: { name, artifact: ownArtifact, reported_by: 'server' } })

describe('a monitor of in-app messages', () => {
  it('leaves signs of life to those whom heartbeat: names, and tells trouble', () => {
    expect(judged(own(heartbeatName))?.objections).toMatchObject([{ by: 'own' }])
    expect(judged(own(`${troublePrefix}mail is away`))?.objections).toEqual([])
  })

  it('tells an alert of an endpoint that borrows the name of a sign of life', () => {
    expect(judged(alertEvent({ event: { name: heartbeatName, artifact: ownArtifact } }))?.objections).toEqual([])
  })
})
