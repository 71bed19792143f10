import { identity, pipe } from 'rxjs'
import { groupAddress } from '../../connectors/message/user-group.ts'
import { addressedTo } from '../../operators/addressed-to.ts'
import { dedupWindow } from '../../operators/dedup-window.ts'
import { messageFilter } from '../../operators/filters/message-filter.ts'
import { ownFilter } from '../../operators/filters/own-filter.ts'
import { objectTo } from '../../operators/object-to.ts'
import { withoutRepeats } from '../../operators/without-repeats.ts'
import type { AlertEvent, Recipient } from '../../schemas/generated.ts'
import type { UserMessageSettings } from '../config/configuration.ts'
import { alerts } from '../sources/queue-source.ts'
import { toldBefore, windowRule } from './alerts.ts'
import { inAppChannel } from './in-app-channel.ts'
import type { AlertMonitor } from './monitor.ts'
import type { UserMessageParameters } from './user-message-parameters.ts'

/** Who they are is looked up by the server when they are told: users and roles come and go. */
const usersOf = (org: string, { Recipients, RecipientRoles }: UserMessageParameters): Recipient => ({
  address: groupAddress({ org, users: Recipients.text, roles: RecipientRoles.text }),
  name: 'users of Velociraptor',
})

/** A monitor by the rules of Server.Monitor.Alerts.UserMessage. */
export const userMessageMonitor = ({
  name,
  artifact,
  parameters: p,
  dedup,
  batch,
}: UserMessageSettings): AlertMonitor => {
  const severityOf = ({ severity }: AlertEvent): string => severity
  return {
    event: 'AlertEvent',
    name,
    artifact,
    sources: [alerts],
    channel: inAppChannel,
    sender: null,
    batch,
    chain: ({ told, windows }) =>
      pipe(
        objectTo(ownFilter, messageFilter({ include: p.AlertMsgInclude, exclude: p.AlertMsgExclude })),
        addressedTo<AlertEvent>(({ org }) => ({ recipients: [usersOf(org, p)], warnings: [] })),
        withoutRepeats(
          told,
          toldBefore,
          dedup === null ? identity : dedupWindow(windows, windowRule(dedup, severityOf)),
        ),
      ),
    noticeOf: (event, whole = event) => ({ alert: whole, severity: severityOf(event) }),
  }
}
