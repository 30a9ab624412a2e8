/**
 * The machine this process runs on. Layer: application. Invariant: only forwards to the host layer.
 */
import { openPciFunction, openTap, readPciFunction, systemClock } from '../host/index.ts';
import type { Machine } from './machine.ts';

export const linuxMachine: Machine = {
  clock: systemClock,
  findFunction: (address) => readPciFunction(address),
  openPciFunction: (address, dmaBytes) => openPciFunction(address, { dmaBytes }),
  openTap: (name, settings) => openTap(name, { mtu: settings.mtu }),
};
