import type { NewRecord } from '../../connectors/log/event-log.ts'
import type { Letter } from '../../schemas/generated.ts'
import { afterPrefix, type TurnState } from '../runtime/turn-state.ts'
import type { DeliverOptions } from './claim.ts'
import { deathReasons } from './death.ts'
import type { DeliverTurn } from './deliver-turn.ts'
import { anyDuePrefix, duePrefix, letterKey, readDueKey } from './letter-state.ts'
import { settle } from './settlement.ts'

/** The first open letter of a channel that the configuration no longer has, by its key. */
const strayKey = (state: TurnState, { channels }: DeliverOptions): string | undefined => {
  for (let from = anyDuePrefix; ;) {
    const [key] = state.keys(from, afterPrefix(anyDuePrefix))
    if (key === undefined) return undefined
    const { channel } = readDueKey(key)
    if (!channels.has(channel)) return key
    from = afterPrefix(duePrefix(channel))
  }
}

/** Whether there is a letter that nobody can send because its channel is gone. */
export const hasStrays = (state: TurnState, options: DeliverOptions): boolean => strayKey(state, options) !== undefined

const mostStrays = 200

/** Letters that nobody can send because their channel is gone: they are undeliverable. Some of them; the rest in the next turn. */
export const settleStrays = (context: DeliverTurn): readonly NewRecord[] => {
  const append: NewRecord[] = []
  for (let left = mostStrays; left > 0; left--) {
    const key = strayKey(context.state, context.options)
    if (key === undefined) return append
    const letter = context.state.get('Letter', letterKey(readDueKey(key).letter)) as Letter
    const death = { class: 'no-channel', reason: `${deathReasons['no-channel']} ${letter.channel}` } as const
    append.push(...settle(letter, { code: 0, reply: '', death }, context))
  }
  context.task.wake(context.turn.now)
  return append
}
