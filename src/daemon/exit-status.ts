/**
 * Exit statuses of the program. Layer: daemon.
 * Invariant: the numbers are API (service managers act on them); a new way to end gets a new row, never an old number.
 */
export const EXIT_STATUS = {
  /** Done, or stopped by SIGTERM or SIGINT with everything closed. */
  ok: 0,
  /** Any failure with an error code of its own on standard error. */
  failure: 1,
  /** The command line was wrong: E_OPTION, E_BAD_ADDRESS, E_MTU. */
  usage: 2,
  /** The kernel asked for the device back (unbind, hot unplug) and got it. */
  removed: 3,
  /** The device stopped answering: E_DEVICE_GONE. */
  gone: 4,
} as const;

export type ExitStatus = (typeof EXIT_STATUS)[keyof typeof EXIT_STATUS];
