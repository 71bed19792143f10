/**
 * `node test/soak/conversations.ts --api-config FILE --client C.… --flow F.… --hunt H.… [--since MINUTES]`: has the relay's own conversations
 * with a real server and prints their shapes, which test/recorded/conversations.json keeps. A flow should complete meanwhile.
 */
import { parseArgs } from 'node:util'
import { readApiConfig } from '../../connectors/velociraptor/api-config.ts'
import { conversationsWith, converse, type Shape, shapeOf } from '../recorded/conversations.ts'

const { values } = parseArgs({
  options: {
    'api-config': { type: 'string', default: 'api.config.yaml' },
    client: { type: 'string', default: '' },
    flow: { type: 'string', default: '' },
    hunt: { type: 'string', default: '' },
    since: { type: 'string', default: '60' },
  },
})
const streamMs = 25_000
const { config } = readApiConfig(values['api-config'], { now: Date.now() })
if (config === null) throw new Error(`${values['api-config']} cannot be used`)
const since = Date.now() - Number(values.since) * 60_000
const shapes: Record<string, Shape> = {}
for (const [name, request] of Object.entries(await conversationsWith({ ...values, since })))
  shapes[name] = shapeOf(await converse(config, request, streamMs))
console.log(JSON.stringify(shapes, null, 2))
