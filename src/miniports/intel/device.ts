/**
 * What one family is, as a record of constants and functions; intel/ is the generic code over it. Layer: miniports/intel.
 * Invariant: nothing family-specific stands outside the family's folder; each folder fills exactly this record.
 * Functions that run in an ISR or DPC (arm, disarm, acknowledge, claimLine) allocate nothing and do not wait.
 */
import type { HardwareAccess } from './hardware-access.ts';
import type { RegisterArray } from './register.ts';

/** How the interrupt was granted. `msi` is one message without a table of mask bits. */
export type InterruptMode = 'msix' | 'msi' | 'line';

/** What a message reports; a bit set per message. */
export const ROLE_RECEIVE = 1;
export const ROLE_TRANSMIT = 2;
export const ROLE_OTHER = 4;
export const ROLE_ALL = ROLE_RECEIVE | ROLE_TRANSMIT | ROLE_OTHER;

/** Which message reports which cause. Message numbers index the arrays. */
export interface InterruptPlan {
  readonly mode: InterruptMode;
  readonly messageCount: number;
  /** Message of receive queue n. */
  readonly receiveMessage: readonly number[];
  /** Message of transmit queue n. */
  readonly transmitMessage: readonly number[];
  readonly otherMessage: number;
  /** ROLE_ bits of each message. */
  readonly roles: readonly number[];
}

/** Where descriptor words differ between the families (16-byte descriptors as four 32-bit words). */
export interface DescriptorFormat {
  /** Error bits in the status word (word 2) of a received frame that make it unusable. */
  readonly receiveErrors: number;
  /** Word 2 of every transmit descriptor, without the length. */
  readonly transmitCommand: number;
  /** Added to word 2 of a frame's last descriptor. */
  readonly transmitEnd: number;
  /** Added to word 2 where a status report is wanted. */
  readonly transmitReport: number;
  /** Word 3 of the first descriptor carries the frame's length from this bit on; 0: it does not. */
  readonly payloadLengthShift: number;
}

/** A descriptor ring as the device sees it. */
export interface RingLocation {
  readonly iova: number;
  readonly bytes: number;
}

export interface ReceiveSettings {
  /** Size of every buffer, a multiple of 1 KiB. */
  readonly slotBytes: number;
  /** Longest frame on the wire, with VLAN tag and CRC. */
  readonly maxFrameBytes: number;
  readonly queues: readonly RingLocation[];
}

export interface TransmitSettings {
  readonly queues: readonly RingLocation[];
}

export type Sleep = (us: number) => Promise<void>;

export interface IntelDevice {
  readonly family: 'igb' | 'e1000e';
  /** The chip's name for people. */
  readonly model: string;
  readonly hardwareIds: readonly string[];
  readonly maxReceiveQueues: number;
  readonly maxTransmitQueues: number;
  readonly format: DescriptorFormat;
  readonly receiveTail: RegisterArray<'RW'>;
  readonly transmitHead: RegisterArray<'RW'>;
  readonly transmitTail: RegisterArray<'RW'>;
  /** Registers worth keeping when a hang is reported. */
  readonly dump: readonly (readonly [name: string, offset: RegisterArray<'RW'>])[];

  /** Takes the MDIO bus from firmware; false when firmware keeps it. PASSIVE_LEVEL. */
  acquirePhy(hw: HardwareAccess, sleep: Sleep): Promise<boolean>;
  releasePhy(hw: HardwareAccess): void;
  /** Settings that every reset wipes out and that belong to no queue: errata, PCIe. */
  configureMac(hw: HardwareAccess): void;

  /** Masks every cause at the device. Any IRQL. */
  disableInterrupts(hw: HardwareAccess): void;
  /** Routes causes to messages; leaves everything masked. */
  configureInterrupts(hw: HardwareAccess, plan: InterruptPlan): void;
  /** Minimum time between two messages; 0 turns moderation off. */
  setModeration(hw: HardwareAccess, plan: InterruptPlan, intervalUs: number): void;
  /** The device's mask bits that belong to a message. */
  maskOf(plan: InterruptPlan, messageId: number): number;
  arm(hw: HardwareAccess, plan: InterruptPlan, mask: number): void;
  disarm(hw: HardwareAccess, plan: InterruptPlan, mask: number): void;
  /** Clears the causes of a message before its rings are looked at. DISPATCH_LEVEL. */
  acknowledge(hw: HardwareAccess, plan: InterruptPlan, mask: number, roles: number): void;
  /** Line and MSI ISR: reads and clears the causes. Returns ICR, 0 when the interrupt is not ours. DIRQL. */
  claim(hw: HardwareAccess, plan: InterruptPlan): number;

  configureReceive(hw: HardwareAccess, settings: ReceiveSettings): void;
  /** Lets frames in. The rings' tails are 0: post afterwards. */
  startReceive(hw: HardwareAccess, settings: ReceiveSettings, sleep: Sleep): Promise<void>;
  stopReceive(hw: HardwareAccess, settings: ReceiveSettings): void;
  configureTransmit(hw: HardwareAccess, settings: TransmitSettings): void;
  startTransmit(hw: HardwareAccess, settings: TransmitSettings, sleep: Sleep): Promise<void>;
  stopTransmit(hw: HardwareAccess, settings: TransmitSettings): void;
  /** Frames a full queue dropped since the last call, where the chip counts them. */
  readQueueDrops(hw: HardwareAccess, queues: number): number;
}

/**
 * Distributes the causes over `messageCount` messages. Enough for all: receive 0, transmit 0, receive 1, ..., other
 * last. Fewer, but at least two: queue pairs share, other keeps its own. One: everything shares message 0.
 */
export function planInterrupts(
  mode: InterruptMode,
  messageCount: number,
  receiveQueues: number,
  transmitQueues: number,
): InterruptPlan {
  const receiveMessage: number[] = [];
  const transmitMessage: number[] = [];
  const pairs = Math.max(receiveQueues, transmitQueues);
  const separate = messageCount > receiveQueues + transmitQueues;
  const forQueues = Math.max(1, messageCount - 1);
  let next = 0;
  for (let pair = 0; pair < pairs; pair++) {
    if (pair < receiveQueues) receiveMessage.push(separate ? next++ : pair % forQueues);
    if (pair < transmitQueues) transmitMessage.push(separate ? next++ : pair % forQueues);
  }
  const otherMessage = separate ? next : messageCount - 1;
  const used = mode === 'msix' ? messageCount : 1;
  const roles = new Array<number>(used).fill(0);
  for (const message of receiveMessage) roles[message]! |= ROLE_RECEIVE;
  for (const message of transmitMessage) roles[message]! |= ROLE_TRANSMIT;
  roles[otherMessage]! |= ROLE_OTHER;
  return { mode, messageCount: used, receiveMessage, transmitMessage, otherMessage, roles };
}
