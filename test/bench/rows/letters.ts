import { mimeOf } from '../../../connectors/mail/mime.ts'
import { composeMail } from '../../../pipeline/letters/compose.ts'
import { renderLetter } from '../../../pipeline/letters/fit.ts'
import { flowLetter } from '../../../pipeline/letters/flow-letter.ts'
import { CONTEXT, noticeWith, resultTable, uploadRows } from '../../pipeline/letters/notices.ts'
import { type BenchRow, paired, perSecond } from '../measure.ts'

const count = 3000

const letter = flowLetter(noticeWith({ flow: { total_rows: 20, uploaded_files: 10, uploaded_bytes: 55_000 } }), {
  ...CONTEXT,
  uploads: { rows: uploadRows(10), total: 10, maxRows: 10 },
  results: [resultTable(4, 20)],
})

const terms = {
  html: true,
  messageId: '<bench@relay.example.org>',
  from: { address: 'relay@example.org', name: 'Relay' },
  to: { address: 'soc@example.org', name: 'SOC' },
  date: CONTEXT.now,
  monitor: 'my-collections',
  event: 'root/C.1/F.1/1',
}

/** What is made must be used, or it might not be made. */
const repeat = (make: () => { readonly length: number }): Promise<number> =>
  perSecond(count, () => {
    let length = 0
    for (let n = 0; n < count; n++) length += make().length
    if (length === 0) throw new Error('nothing was made')
  })

/** How fast a letter's model becomes what is sent. */
export const letters: BenchRow = {
  name: 'letters',
  about:
    'one letter with an uploads table of 10 rows and a result table of 4 x 20: its model to HTML and text, and to a MIME message',
  async measure() {
    const json = (): Promise<number> => repeat(() => JSON.stringify(letter))
    const rendered = await paired(() => repeat(() => renderLetter(letter).html), json, 5)
    const mime = await paired(() => repeat(() => mimeOf(composeMail(letter, terms))), json, 5)
    const common = { unit: 'letters/s', reference: null }
    return [
      {
        name: 'letters',
        ...rendered,
        ...common,
        bar: { least: 3000 },
        note: 'model to HTML and text against JSON.stringify of the model',
      },
      {
        name: 'letters as MIME',
        ...mime,
        ...common,
        bar: null,
        note: 'model to message bytes against JSON.stringify of the model',
      },
    ]
  },
}
