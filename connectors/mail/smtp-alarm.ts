/** Rings at a moment of `performance.now()` that is moved often: no timer is made when it moves to later. */
export interface SmtpAlarm {
  /** Infinity: not at all. */
  set(moment: number): void
}

const mostTimerMs = 2_147_483_647

/** Ms for a timer until a moment of `performance.now()`, within what a timer can wait. */
export const timerUntil = (moment: number): number => Math.min(Math.max(0, moment - performance.now()), mostTimerMs)

/** Keeps no process alive by itself. */
export const openAlarm = (ring: () => void): SmtpAlarm => {
  let moment = Infinity
  let timerAt = Infinity
  let timer: NodeJS.Timeout | undefined

  const arm = (): void => {
    clearTimeout(timer)
    timerAt = moment
    timer = moment === Infinity ? undefined : setTimeout(check, timerUntil(moment)).unref()
  }
  const check = (): void => {
    if (performance.now() < moment) return arm()
    moment = timerAt = Infinity
    ring()
  }
  return {
    set(next) {
      moment = next
      if (next < timerAt) arm()
    },
  }
}
