import { setFlagsFromString } from 'node:v8'

/**
 * Keeps the part of memory where objects are born small. Left alone it grows while much passes through, and what happens to be alive at its
 * collections moves to where it stays longest: under load that costs about 100 MB and gains no measurable speed.
 */
export const keepYoungHeapSmall = (): void => setFlagsFromString('--semi-space-growth-factor=1')
