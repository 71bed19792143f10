import type { Delivery, Outcome, VerdictKind } from '../../schemas/generated.ts'

/** What an outcome's verdicts come to in numbers; few events differ in it, so each is kept once. */
export interface VerdictSignature {
  readonly configuration: string
  readonly scope: string
  readonly verdicts: readonly {
    readonly monitor: string
    readonly outcome: VerdictKind
    /** Filters that objected, each once; also those that were overruled. */
    readonly by: readonly string[]
    readonly notices: number
  }[]
}

export interface DeliverySignature {
  readonly monitor: string
  readonly outcome: Delivery['outcome']
}

export const verdictSignature = ({ configuration, scope, verdicts }: Outcome): string =>
  JSON.stringify([
    configuration,
    verdicts.map(({ monitor, outcome, objections, notices }) => [
      monitor,
      outcome,
      objections.length > 1 ? [...new Set(objections.map(({ by }) => by))] : objections.map(({ by }) => by),
      notices.length,
    ]),
    scope,
  ])

export const readVerdictSignature = (text: string): VerdictSignature => {
  const [configuration, verdicts, scope] = JSON.parse(text) as [
    string,
    [string, VerdictKind, string[], number][],
    string,
  ]
  return {
    configuration,
    scope,
    verdicts: verdicts.map(([monitor, outcome, by, notices]) => ({ monitor, outcome, by, notices })),
  }
}

export const deliverySignature = ({ monitor, outcome }: Delivery): string => JSON.stringify([monitor, outcome])

export const readDeliverySignature = (text: string): DeliverySignature => {
  const [monitor, outcome] = JSON.parse(text) as [string, Delivery['outcome']]
  return { monitor, outcome }
}
