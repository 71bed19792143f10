import { yamlText } from './yaml-text.ts'

/** What `init` asks for. */
export interface InitialAnswers {
  /** Where links in letters lead: https://velociraptor.example.org/app/index.html */
  readonly guiUrl: string
  /** Path of the API configuration, relative to relay.yaml or absolute. */
  readonly apiConfig: string
  /** smtps://user@host or smtp://user@host; a password in it is not written into the file. */
  readonly mailUrl: string
  /** Address that letters come from. */
  readonly from: string
  /** Address that is told of every flow. */
  readonly recipient: string
}

/** The environment variable that a new configuration takes the mail password from. */
export const passwordVariable = 'RELAY_MAIL_PASSWORD'

/** A mail url without the password that somebody wrote into it. */
export const withoutPassword = (mailUrl: string): string => mailUrl.replace(/^(\w+:\/\/[^:@/]*):.*@/s, '$1@')

const domainOf = (address: string): string => /@([\w.-]+)>?\s*$/.exec(address)?.[1] ?? 'example.org'

/** The text of a new relay.yaml, commented. It reads back without problems when the answers are good ones. */
export const initialConfiguration = ({ guiUrl, apiConfig, mailUrl, from, recipient }: InitialAnswers): string => {
  const url = withoutPassword(mailUrl)
  const password = url.includes('@')
    ? `  password: { env: ${passwordVariable} }        # or { file: ./mail.password }; never the password itself`
    : '  # password: { file: ./mail.password }    # with a user in the url; or { env: NAME }'
  return `# What raptor-relay listens to, and whom it tells. \`relay check\` says what works and what is missing.

velociraptor:
  # Made on the Velociraptor server; it holds a private key: chmod 600.
  api_config: ${yamlText(apiConfig)}
  # Where the links in letters lead.
  gui_url: ${yamlText(guiUrl)}

mail:
  # smtps:// is TLS from the first byte (465), smtp:// is STARTTLS (587). For a server without TLS: tls: off
  url: ${yamlText(url)}
${password}
  from: ${yamlText(from)}
  # Only these domains for addresses that come from user names or client metadata. Fixed recipients are always allowed.
  allowed_domains: [${yamlText(domainOf(recipient))}]

# Events are kept in ./relay-data beside this file, unless another place is named:
# log: { embedded: { dir: /var/lib/raptor-relay, max_size: 20GiB } }

# Who is told when Velociraptor or mail is away, the disk fills, or the certificate ends:
# trouble: { to: [soc@example.org] }

# Metrics for Prometheus and health, for this machine alone unless another address is named; http: off
# http: { listen: 127.0.0.1:9464 }

monitors:
  - name: flows
    # The server's own artifacts and their parameters; what is left out has the artifact's default.
    artifact: Server.Monitor.FlowCompletion
    parameters:
      Recipients: [${yamlText(recipient)}]
      # NotifyExecutor: true          # also tell the user who started the flow
      # DelayThreshold: 10            # seconds: quicker flows are not told, whoever started them still looks
      # NotifyHunts: false            # flows of hunts
      # ArtifactsToIgnore: ^(Custom\\.)?Generic\\.Client\\.Info$
`
}

/** How to make the API configuration, with what goes wrong in the first hour. */
export const howToMakeApiConfig = `Make the API configuration on the Velociraptor server:

  velociraptor --config server.config.yaml config api_client --name relay --role api api.config.yaml
  chmod 600 api.config.yaml

* Run it before the server starts, or restart the server afterwards: a user made while it runs is unknown to it until then.
* The role api is enough, and without --role no user is made at all. It may read the results of every collection: keep the file.
* Rights that are changed later hold after 300 seconds at most: the server caches them.
* The API listens on 127.0.0.1:8001 only. To reach it from another machine set API.bind_address and API.hostname in
  server.config.yaml, restart the server, and make the file again: it holds the address. Point it to the master, not to a minion.
* The certificate lasts 365 days, then the relay hears nothing more: make a new file in time. It warns from 30 days before.
* Switch off the server's own Server.Monitor.* artifacts whose work the relay does (Server Events in the GUI): else
  everything is told twice.
`
