/**
 * Why a running adapter ends without being told to, in one place for the daemon and the public API. Layer: application.
 * Invariant: the callback is called at most once per adapter, outside of interrupt and DPC (on the next loop turn), so
 * it may pause, halt and close.
 */
import { NdisVfioError } from '../base/errors.ts';
import type { AdapterFault } from '../ndis/index.ts';
import type { PciFunction } from '../platform/index.ts';
import type { OpenedAdapter } from './open-adapter.ts';

export type EndReason =
  /** The kernel asks for the function (unbind, hot unplug); it still works and can be closed orderly. */
  | { readonly kind: 'removal' }
  /** The device no longer answers. */
  | { readonly kind: 'gone'; readonly error: NdisVfioError }
  /** The miniport gave up, broke a rule that is fatal, or the device reported an uncorrectable error. */
  | { readonly kind: 'fault'; readonly error: NdisVfioError };

/** Watches an adapter; `callback` gets the first reason. */
export function watchEnd(opened: OpenedAdapter, callback: (reason: EndReason) => void): void {
  let ended = false;
  const end = (reason: () => EndReason): void => {
    if (ended) return;
    ended = true;
    setImmediate(() => callback(reason()));
  };
  const { adapter, pci } = opened;
  adapter.onRemovalRequest(() => end(() => ({ kind: 'removal' })));
  adapter.onFault((fault) => end(() => judgeFault(opened, fault)));
  adapter.onDeviceError(() =>
    end(() => ({
      kind: 'fault',
      error: new NdisVfioError('E_VFIO', {
        action: `Cannot go on with ${pci.address}`,
        cause: 'the device reported an uncorrectable PCI Express error',
        cure: 'See the AER lines of `dmesg`; start again when the cause is removed',
      }),
    })),
  );
}

/** The error for a device that does not answer. */
export function deviceGoneError(address: string, origin?: unknown): NdisVfioError {
  return new NdisVfioError(
    'E_DEVICE_GONE',
    {
      action: `Cannot go on with ${address}`,
      cause: 'device gone: it no longer answers (its registers or its configuration space read all ones or zero)',
      cure: `Check slot and power: \`lspci -s ${address}\`; start again when the device is back`,
    },
    origin,
  );
}

/**
 * True when configuration space has no vendor id any more: all ones (PCI Express: no completion) or zero (QEMU's slot
 * power), or cannot be read.
 */
export function isGone(pci: PciFunction): boolean {
  const id = new Uint8Array(4);
  try {
    if (pci.readConfig(0, id) < id.length) return true;
  } catch {
    return true;
  }
  return id.every((byte) => byte === 0xff) || id.every((byte) => byte === 0);
}

function judgeFault({ adapter, pci }: OpenedAdapter, fault: AdapterFault): EndReason {
  if (fault.error instanceof NdisVfioError && fault.error.code === 'E_DEVICE_GONE') {
    return { kind: 'gone', error: fault.error };
  }
  // NdisMRemoveMiniport ("the device is unrecoverable") is the fault that finds the adapter Halted already; configuration
  // space may still answer then, e.g. when only memory decoding is off.
  if (adapter.state === 'Halted' || isGone(pci))
    return { kind: 'gone', error: deviceGoneError(pci.address, fault.error) };
  return {
    kind: 'fault',
    error: new NdisVfioError(
      'E_MINIPORT',
      {
        action: `Cannot go on with ${pci.address}`,
        cause: fault.message,
        cure: 'Report it with the lines above; --debug shows where it was thrown',
      },
      fault.error,
    ),
  };
}
