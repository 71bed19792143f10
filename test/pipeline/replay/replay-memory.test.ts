import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openReplayFile } from '../../../pipeline/replay/replay-file.ts'
import { openReplayMemory } from '../../../pipeline/replay/replay-memory.ts'
import { marksIn } from '../../../pipeline/runtime/marks.ts'
import { inTemporaryDir } from '../../bench/temporary-dir.ts'

const hour = 3_600_000
const mark = { event: 'root/X/1', at: 1000 }
const suppression = { ...mark, count: 3, clients: ['C.1', 'C.2'], more: true }

describe('what the monitors of a replay remember', () => {
  it('is found again by a replay that goes on, counts included', () =>
    inTemporaryDir(async (dir) => {
      const path = join(dir, 'replay.db')
      const file = openReplayFile(path)
      const { state, save } = openReplayMemory(file, 2)
      state.put('Mark', 'told/x', mark)
      state.put('Suppression', 'counted/x', suppression)
      expect([state.get('Mark', 'told/x'), state.get('Suppression', 'counted/x')]).toEqual([mark, suppression])
      save()
      file.close()
      const again = openReplayFile(path)
      const later = openReplayMemory(again, 2).state
      expect([later.get('Mark', 'told/x'), later.get('Suppression', 'counted/x')]).toEqual([mark, suppression])
      expect(openReplayMemory(again, 1).state.get('Suppression', 'counted/x')).toBeUndefined()
      again.close()
    }))

  it('is found by its time too when the replay goes on, and what was never told is not', () =>
    inTemporaryDir(async (dir) => {
      const file = openReplayFile(join(dir, 'replay.db'))
      const marksOfNow = () => {
        const memory = openReplayMemory(file, 0)
        return { ...memory, marks: marksIn(memory.state, 'told/soc', hour) }
      }
      const before = marksOfNow()
      expect(before.marks.get('root/F.1/7', 1000)).toBeUndefined()
      before.marks.put('root/F.1/7', mark)
      expect(before.marks.get('root/F.1/7', 1000 + hour)).toEqual(mark)
      before.save()
      const { marks } = marksOfNow()
      expect([marks.get('root/F.1/7', 1000), marks.get('root/F.1/7', 1000 + hour)]).toEqual([mark, mark])
      expect([marks.get('root/F.2/7', 1000), marks.get('root/F.1/7', 1000 + 3 * hour)]).toEqual([undefined, undefined])
      file.close()
    }))
})
