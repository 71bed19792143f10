import { z } from 'zod'
import { relayShape } from './relay-shape.ts'

/** JSON Schema (draft 7, which editors know best) of relay.yaml. */
export const relaySchema = (): object => ({
  title: 'relay.yaml',
  ...z.toJSONSchema(relayShape, { io: 'input', target: 'draft-7' }),
})
