/**
 * The adapter on QEMU's NICs through a real vfio-pci, with this process as the link partner. Layer: test.
 * One guest a chip: the suites share it, each opens the adapter as it needs it.
 */
import { afterAll, beforeAll, describe } from 'vitest';
import { floodSuite } from './suites/flood.ts';
import { frameSuite } from './suites/frames.ts';
import { interruptSuite } from './suites/interrupts.ts';
import { nativeSuite } from './suites/native.ts';
import { CHIPS } from './support/session.ts';
import { WiredGuest } from './support/wired-guest.ts';

describe.each(CHIPS)('an adapter over %s', (chip) => {
  let guest: WiredGuest | undefined;
  const running = (): WiredGuest => {
    if (guest === undefined) throw new Error('the guest did not boot');
    return guest;
  };

  beforeAll(async () => {
    guest = await WiredGuest.boot(chip);
  });
  afterAll(async () => {
    await guest?.close();
  });

  // First: one of its facts needs a NIC that nobody has bound yet.
  nativeSuite(running);
  frameSuite(running);
  interruptSuite(running);
  floodSuite(running);
});
