import type { Moment } from '../replay/progress.ts'

const lineEveryMs = 3000
const drawEveryMs = 200
const width = 30

const text = ({ stage, share, records, perSecond, secondsLeft }: Moment): string =>
  [
    `${stage} ${Math.floor(share * 100)} %`,
    `${records} records`,
    `${Math.round(perSecond)}/s`,
    ...(secondsLeft === null ? [] : [`about ${Math.ceil(secondsLeft)} s left`]),
  ].join(', ')

/** Where progress is shown: one line that is drawn again on a terminal, else a line every few seconds. */
export const openProgressLine = (
  out: { readonly isTTY?: boolean | undefined; write(text: string): unknown },
  now: () => number,
): { readonly show: (moment: Moment) => void; readonly end: () => void } => {
  let shownAt = now()
  let isDrawn = false
  return {
    show(moment) {
      if (now() - shownAt < (out.isTTY === true ? drawEveryMs : lineEveryMs)) return
      shownAt = now()
      if (out.isTTY !== true) return void out.write(`${text(moment)}\n`)
      const done = Math.floor(moment.share * width)
      out.write(`\r\u001b[K[${'='.repeat(done)}${' '.repeat(width - done)}] ${text(moment)}`)
      isDrawn = true
    },
    end() {
      if (isDrawn) out.write('\r\u001b[K')
      isDrawn = false
    },
  }
}
