import type { Delivery, Outcome, Verdict } from '../../../schemas/generated.ts'

/** An outcome of `events.flows/0/0` that says nothing, with a difference. */
export const outcomeWith = (difference: Partial<Outcome> = {}): Outcome => ({
  event: 'root/C.1/F.1/1',
  org: 'root',
  client: 'C.1',
  flow: 'F.1',
  hunt: '',
  name: '',
  scope: '',
  event_at: { topic: 'events.flows', partition: 0, offset: 0 },
  received_at: 1,
  at: 2,
  configuration: 'c1',
  replay: '',
  verdicts: [],
  deliveries: [],
  ...difference,
})

/** A verdict `told` of the monitor soc, with a difference. */
export const verdictWith = (difference: Partial<Verdict> = {}): Verdict => ({
  monitor: 'soc',
  artifact: 'Server.Monitor.FlowCompletion',
  outcome: 'told',
  objections: [],
  overruled_by: [],
  of: '',
  reason: '',
  notices: [],
  warnings: [],
  ...difference,
})

/** A delivery to soc@example.org, with a difference. */
export const deliveryWith = (difference: Partial<Delivery> = {}): Delivery => ({
  notice: 'n1',
  monitor: 'soc',
  artifact: 'Server.Monitor.FlowCompletion',
  recipient: 'soc@example.org',
  outcome: 'told',
  message_id: '<m1@example.org>',
  attempts: 1,
  code: 250,
  reply: 'taken',
  reason: '',
  command: '',
  ...difference,
})
