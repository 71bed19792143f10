import type { Mark, Suppression } from '../../../schemas/generated.ts'
import { openStore } from '../../operators/state-store.ts'

/** An empty memory of a monitor that shows what was asked of it. */
export const openMemory = () => ({
  told: openStore<Mark>(),
  windows: openStore<Mark>(),
  countedWindows: openStore<Suppression>(),
})
