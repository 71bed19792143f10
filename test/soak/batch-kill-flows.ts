/** The flows that the killed relay is fed with, by number: a tenth of the clients and a quarter of the artifacts come again and again. */
const clients = 10
const artifacts = ['Linux.Sys.Users', 'Linux.Search.FileFinder', 'Generic.Client.Stats', 'Windows.Sys.Users']

/** Notices in one letter at most. */
export const batchMost = 20
export const clientOf = (n: number): string => `C.${String(n % clients).padStart(16, '0')}`
export const artifactsOf = (n: number): readonly string[] => [
  artifacts[Math.floor(n / clients) % artifacts.length] as string,
]
export const flowId = (n: number): string => `F.N${String(n).padStart(6, '0')}`
export const flowNumber = (flow: string): number => Number(flow.slice(3))
