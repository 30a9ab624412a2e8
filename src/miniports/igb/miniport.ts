/**
 * The igb miniport (82576): its device record, and the two exports a miniport module has. Layer: miniports/igb.
 * Invariant: everything generic is in intel/; this file only gathers what the folder's other files define.
 */

import { hardwareIdsOf } from '../ids.ts';
import type { IntelDevice } from '../intel/device.ts';
import { createDriverEntry } from '../intel/driver.ts';
import { format } from './descriptors.ts';
import { acquirePhy, configureMac, releasePhy } from './hardware.ts';
import * as interrupts from './interrupts.ts';
import * as receive from './receive.ts';
import { RDBAL, RDH, RDLEN, RDT, RXDCTL, TDBAL, TDH, TDLEN, TDT, TXDCTL } from './registers.ts';
import * as transmit from './transmit.ts';

export const device: IntelDevice = {
  family: 'igb',
  model: '82576',
  hardwareIds: hardwareIdsOf('igb'),
  maxReceiveQueues: 8,
  maxTransmitQueues: 8,
  format,
  receiveTail: receive.tail,
  transmitHead: transmit.head,
  transmitTail: transmit.tail,
  dump: [
    ['RDBAL', RDBAL],
    ['RDLEN', RDLEN],
    ['RDH', RDH],
    ['RDT', RDT],
    ['RXDCTL', RXDCTL],
    ['TDBAL', TDBAL],
    ['TDLEN', TDLEN],
    ['TDH', TDH],
    ['TDT', TDT],
    ['TXDCTL', TXDCTL],
  ],
  acquirePhy,
  releasePhy,
  configureMac,
  disableInterrupts: interrupts.disableInterrupts,
  configureInterrupts: interrupts.configureInterrupts,
  setModeration: interrupts.setModeration,
  maskOf: interrupts.maskOf,
  arm: interrupts.arm,
  disarm: interrupts.disarm,
  acknowledge: interrupts.acknowledge,
  claim: interrupts.claim,
  configureReceive: receive.configureReceive,
  startReceive: receive.startReceive,
  stopReceive: receive.stopReceive,
  configureTransmit: transmit.configureTransmit,
  startTransmit: transmit.startTransmit,
  stopTransmit: transmit.stopTransmit,
  readQueueDrops: receive.readQueueDrops,
};

export const HardwareIds: readonly string[] = device.hardwareIds;
export const DriverEntry = createDriverEntry(device);
