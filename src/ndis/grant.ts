/**
 * Which interrupts an adapter is granted, and the resource list that says so. Layer: ndis. (Contract 1.4, 1.16, 1.17)
 * Invariant: entry i of an MSI-X table maps to message i, every surplus entry to message 0; the grant is decided before
 * MiniportInitializeEx, so only a shortage while arming changes it, and then to exactly one message.
 */
import type { InterruptKind, PciFunction } from '../platform/index.ts';
import {
  type CM_PARTIAL_RESOURCE_DESCRIPTOR,
  CM_RESOURCE_INTERRUPT_LATCHED,
  CM_RESOURCE_INTERRUPT_LEVEL_SENSITIVE,
  CM_RESOURCE_INTERRUPT_MESSAGE,
  CmResourceTypeInterrupt,
  CmResourceTypeMemory,
  DIRQL,
  type NDIS_RESOURCE_LIST,
} from './types.ts';

const KINDS: readonly InterruptKind[] = ['msix', 'msi', 'line'];
/** [introduction-to-message-signaled-interrupts] MSI: 1, 2, 4, 8 or 16 messages. */
const MSI_MESSAGES_MAX = 16;
const CM_RESOURCE_SHARE_DEVICE_EXCLUSIVE = 1;
const CM_RESOURCE_SHARE_SHARED = 3;
/** Synthetic vector of message 0; VFIO hides the real ones. */
export const FIRST_VECTOR = 0x50;

export class InterruptGrant {
  /** null: the function has no interrupt of the kind asked for. */
  readonly kind: InterruptKind | null;
  /** Messages granted; 0 for a line. */
  messageCount: number;
  /** Entries of the MSI-X table; messages for MSI; 1 for a line. */
  readonly entryCount: number;
  /** Entry -> message. */
  readonly messageOf: Uint16Array;
  /** Entry -> 1 while masked by NdisMConfigMSIXTableEntry. */
  readonly masked: Uint8Array;
  /** Message -> mask of the processors it goes to; 0: any. */
  readonly affinity: Uint32Array;
  /** Message -> bit of the processor its ISR runs on, for the default DPC. */
  readonly home: Uint32Array;
  /** Entry -> 1 while an event that arrived under the mask waits in software. */
  readonly pending: Uint8Array;

  constructor(kind: InterruptKind | null, messageCount: number, entryCount: number) {
    this.kind = kind;
    this.messageCount = messageCount;
    this.entryCount = entryCount;
    this.messageOf = new Uint16Array(entryCount);
    this.masked = new Uint8Array(entryCount);
    this.pending = new Uint8Array(entryCount);
    this.affinity = new Uint32Array(Math.max(1, messageCount));
    this.home = new Uint32Array(Math.max(1, messageCount)).fill(1);
    for (let entry = 0; entry < entryCount && entry < messageCount; entry++) this.messageOf[entry] = entry;
  }

  /** Sends a message to the processors of a mask, not 0; the lowest is where its ISR runs. */
  aim(message: number, mask: number): void {
    this.affinity[message] = mask;
    this.home[message] = (mask & -mask) >>> 0;
  }

  /** The shortage rule: exactly one message, which every entry raises. [introduction-to-message-signaled-interrupts] */
  reduceToOne(): void {
    this.messageCount = 1;
    this.messageOf.fill(0);
  }
}

/** Decides the grant from what the function offers. `wanted` undefined: the best, in the order MSI-X, MSI, line. */
export function decideGrant(
  counts: Readonly<Record<InterruptKind, number>>,
  wanted: InterruptKind | undefined,
  messageLimit: number | undefined,
): InterruptGrant {
  const kind = wanted === undefined ? KINDS.find((one) => counts[one] > 0) : counts[wanted] > 0 ? wanted : undefined;
  if (kind === undefined) return new InterruptGrant(null, 0, 0);
  if (kind === 'line') return new InterruptGrant('line', 0, 1);
  const limit = messageLimit ?? Number.POSITIVE_INFINITY;
  if (kind === 'msix') return new InterruptGrant('msix', Math.min(counts.msix, limit), counts.msix);
  const offered = Math.min(counts.msi, limit, MSI_MESSAGES_MAX);
  const messages = 2 ** Math.floor(Math.log2(offered));
  return new InterruptGrant('msi', messages, messages);
}

/** Mask of `processors` processors, 1 to 32. */
export function processorMask(processors: number): number {
  return processors >= 32 ? 0xffff_ffff : (1 << processors) - 1;
}

/** AllocatedResources: memory BARs in order, then interrupts (one descriptor per MSI-X message, one for all of MSI). */
export function resourceList(pci: PciFunction, grant: InterruptGrant, processors: number): NDIS_RESOURCE_LIST {
  const list: CM_PARTIAL_RESOURCE_DESCRIPTOR[] = pci.bars.map((bar) => ({
    Type: CmResourceTypeMemory,
    ShareDisposition: CM_RESOURCE_SHARE_DEVICE_EXCLUSIVE,
    Flags: 0,
    u: { Memory: { Start: bar.busAddress, Length: bar.lengthBytes } },
  }));
  const all = processorMask(processors);
  if (grant.kind === 'line') {
    list.push({
      Type: CmResourceTypeInterrupt,
      ShareDisposition: CM_RESOURCE_SHARE_SHARED,
      Flags: CM_RESOURCE_INTERRUPT_LEVEL_SENSITIVE,
      u: { Interrupt: { Level: DIRQL, Vector: FIRST_VECTOR, Affinity: all } },
    });
  } else if (grant.kind !== null) {
    const descriptors = grant.kind === 'msix' ? grant.messageCount : 1;
    const MessageCount = grant.kind === 'msix' ? 1 : grant.messageCount;
    for (let message = 0; message < descriptors; message++) {
      const Vector = FIRST_VECTOR + message;
      const Affinity = grant.affinity[message] || all;
      list.push({
        Type: CmResourceTypeInterrupt,
        ShareDisposition: CM_RESOURCE_SHARE_DEVICE_EXCLUSIVE,
        Flags: CM_RESOURCE_INTERRUPT_LATCHED | CM_RESOURCE_INTERRUPT_MESSAGE,
        u: {
          MessageInterrupt: {
            Raw: { MessageCount, Vector, Affinity },
            Translated: { Level: DIRQL, Vector, Affinity },
          },
        },
      });
    }
  }
  return { Version: 1, Revision: 1, Count: list.length, PartialDescriptors: list };
}
