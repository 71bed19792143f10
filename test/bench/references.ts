import type { Reference } from './measure.ts'

/** better-sqlite3 by itself: 100 records of 1 KiB and 10 upserts to a commit, `synchronous=FULL`. */
export const storeReference: Reference = {
  value: 87_000,
  from: 'libraries page, section 2: better-sqlite3, 100 x 1 KiB + 10 upserts per FULL commit',
}

/** The same in bytes, for records of other sizes. */
export const storeBytesReference: Reference = {
  value: 87_000 * 1024,
  from: 'libraries page, section 2: 87k records/s of 1 KiB',
}

/** nodemailer by itself over a pool, on one core. */
export const mailReference: Reference = {
  value: 2700,
  from: 'libraries page, section 14: pooled nodemailer, 2.7-3.1k mails/s',
}

/** kafkajs by itself, reading and writing records of 300 B in batches of 500, in bytes each way. */
export const kafkaBytesReference: Reference = {
  value: 81_000 * 300,
  from: 'Kafka page, section 9: bare consume-produce, 81k records/s of 300 B',
}

/** kafkajs by itself, reading records of 300 B. */
export const kafkaReadReference: Reference = {
  value: 359_000,
  from: 'Kafka page, section 5: kafkajs eachBatch, 359k records/s of 300 B',
}
