import type { StandInOrg } from './organisation.ts'
import type { WorldInside } from './world.ts'

/** Whose query it is, and what it may see. */
export interface Ground {
  readonly world: WorldInside
  readonly org: StandInOrg
  readonly principal: string
  /** A fault: lookups find nothing. */
  readonly blind: boolean
}

/** What most of it needs: the right to read results. */
export const results = { needs: 'READ_RESULTS' } as const

export const unknownClient = (id: string): string => `Client ID ${id} not known in this org: NotFoundError`
