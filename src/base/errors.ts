/**
 * The one error type users see. Layer: base (imports nothing).
 * Invariant: every error names the action that failed, its cause and the cure, and carries a stable code; the code is
 * API, the wording is not. Native failures arrive as plain Errors with `code` (errno name), `syscall` and `step`;
 * the host layer turns the ones a user can cause into these.
 */

/** Every stable error code. A new way for a user to get it wrong gets a new row here and in the README's table. */
export const ERROR_CODES = {
  E_NO_DEVICE: 'no PCI function has this address',
  E_BAD_ADDRESS: 'the text is not a PCI address (domain:bus:device.function)',
  E_NOT_SUPPORTED: 'no miniport drives this PCI function',
  E_WRONG_DRIVER: 'the function is bound to another driver, or to none',
  E_GROUP_NOT_VIABLE: 'another function of the IOMMU group is bound to a kernel driver',
  E_NO_IOMMU: 'the function is in no IOMMU group',
  E_NO_VFIO: '/dev/vfio/vfio or the group node is missing',
  E_BUSY: 'another process has the function open',
  E_PERMISSION: 'the process may not open the device node',
  E_MEMLOCK: 'the locked-memory limit is too small for the DMA memory',
  E_DMA: 'DMA memory could not be allocated or mapped',
  E_TAP_PERMISSION: 'the process may not create a TAP interface',
  E_TAP_NAME: 'the TAP name is taken, too long or not a valid interface name',
  E_NO_TUN: '/dev/net/tun is missing',
  E_TAP: 'a TAP operation failed',
  E_MINIPORT_FILE: 'the miniport file cannot be read or is not a miniport module',
  E_DRIVER_ENTRY: 'DriverEntry threw or returned a failure status',
  E_INITIALIZE: 'MiniportInitializeEx failed',
  E_MTU: 'the MTU is out of range',
  E_OPTION: 'a command-line option is unknown or malformed',
  E_DEVICE_GONE: 'the device no longer answers',
  E_OID: 'the miniport refused an OID request',
  E_MINIPORT: 'the miniport broke a rule that Windows answers with a bug check',
  E_STATE: 'the call is not allowed in this state',
  E_VFIO: 'a VFIO call failed for another reason',
  E_ADDON: 'the native addon is missing or does not fit this Node',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface ErrorText {
  /** What was being attempted, e.g. `Cannot open 0000:03:00.0`. */
  readonly action: string;
  /** Why it failed, e.g. `it is bound to igb`. */
  readonly cause: string;
  /** What the user can do, as a command where there is one. */
  readonly cure: string;
}

/**
 * An error for the user. `message` reads "action: cause. cure"; the parts are kept for JSON output.
 * `origin` is the lower-level error that led here, if any.
 */
export class NdisVfioError extends Error {
  readonly code: ErrorCode;
  readonly text: ErrorText;
  readonly origin: unknown;

  constructor(code: ErrorCode, text: ErrorText, origin?: unknown) {
    super(`${text.action}: ${text.cause}. ${text.cure}`);
    this.name = 'NdisVfioError';
    this.code = code;
    this.text = text;
    this.origin = origin;
  }
}

/** True when `error` is one of ours with the given code. */
export function hasCode(error: unknown, code: ErrorCode): error is NdisVfioError {
  return error instanceof NdisVfioError && error.code === code;
}
