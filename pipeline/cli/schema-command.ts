import { Command } from '@commander-js/extra-typings'
import { relaySchema } from '../config/json-schema.ts'

export const schemaCommand = () =>
  new Command('schema')
    .description('Prints the JSON Schema of relay.yaml, for editors.')
    .action(() => console.log(JSON.stringify(relaySchema(), null, 2)))
