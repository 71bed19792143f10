import { askRows } from '../velociraptor/lookups.ts'
import type { Velociraptor } from '../velociraptor/velociraptor.ts'
import type { MessageSink } from './message.ts'

const timeoutS = 20

/** In-app messages of a Velociraptor server, from 0.76.4 on; sent as the API's user. */
export const velociraptorMessages = (velociraptor: Velociraptor): MessageSink => ({
  async send(user, body) {
    await askRows(velociraptor, {
      org: 'root',
      vql: 'SELECT user_message(user=To, message=parse_json(data=Body)) AS Sent FROM scope()',
      env: { To: user, Body: JSON.stringify(body) },
      timeoutS,
    })
  },
})
