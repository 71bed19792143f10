import type { Task, Turn } from '../../connectors/log/event-log.ts'
import type { Happening } from '../../schemas/happenings.ts'
import type { TurnState } from '../runtime/turn-state.ts'
import type { DeliverOptions } from './claim.ts'
import type { Claims } from './claims.ts'
import type { Sending } from './sending.ts'

/** What each part of a turn of deliver works with. */
export interface DeliverTurn {
  readonly task: Task
  readonly turn: Turn
  readonly state: TurnState
  readonly options: DeliverOptions
  readonly sending: Sending
  readonly claims: Claims
  /** Said once the commit stands. */
  readonly said: Happening[]
}
