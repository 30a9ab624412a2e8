/**
 * Where the silicon's data sheet and QEMU's model differ, as switches. Layer: sim.
 * Invariant: a miniport must work under both presets; each switch names the observation it stands for
 * (lab notes on QEMU 10.0.2, 82574 and 82576 data sheets).
 */

/** The switches. */
export interface Quirks {
  /** QEMU: frames wait in the back end while reception is off or no descriptor is free. Off: packet buffer, then MPC. */
  readonly backEndQueues: boolean;
  /** QEMU e1000e: with MSI-X on, reading ICR clears nothing unless CTRL_EXT.IAME. Off: INT_ASSERTED clears all. */
  readonly icrReadKeepsInMsix: boolean;
  /** QEMU e1000e: an auto-clear by EIAC takes the bits out of IMS as well (unless CTRL_EXT.IAME). */
  readonly eiacClearsIms: boolean;
  /** Data sheets: EIAME masks the causes of a message by EIAM (82576) or IAM (82574). QEMU does not implement it. */
  readonly autoMask: boolean;
  /** QEMU: STATUS.LU follows autonegotiation alone. Off: it also needs CTRL.SLU. */
  readonly linkIgnoresSlu: boolean;
  /** QEMU: CTRL.RST also resets the PHY, which then waits for a restart of autonegotiation. */
  readonly ctrlResetHitsPhy: boolean;
  /** QEMU e1000e: the reset by VFIO reports success and resets nothing. */
  readonly functionResetIsNoop: boolean;
  /** QEMU: MDIC, EERD and CTRL.RST are done when the write returns. */
  readonly instant: boolean;
  /** Minimum distance of two messages of one vector; 0: none. QEMU e1000e: 128 at least. */
  readonly throttleUs: number;
  /** Both: messages of a vector keep the distance its EITR tells (82574 10.2.4.11, 82576 8.8.14). Off: they need not. */
  readonly moderation: boolean;
  /** QEMU: the end of the throttle interval sends a message without a cause (128 us after each when no throttle). */
  readonly ghostInterrupts: boolean;
  /** Data sheets: the multicast table is not initialised by a reset. */
  readonly tablesKeepGarbage: boolean;
  /** IEEE 802.3 22.2.4.2.13: BMSR's link bit latches low. QEMU shows the current state. */
  readonly bmsrLatchesLow: boolean;
  /** QEMU: a transmit buffer across two pages is lost, uncounted, where they are not neighbours in the guest's memory. */
  readonly transmitWithinPages: boolean;
}

/** The data sheets' device. */
export const DATASHEET: Quirks = {
  backEndQueues: false,
  icrReadKeepsInMsix: false,
  eiacClearsIms: false,
  autoMask: true,
  linkIgnoresSlu: false,
  ctrlResetHitsPhy: false,
  functionResetIsNoop: false,
  instant: false,
  throttleUs: 0,
  moderation: false,
  ghostInterrupts: false,
  tablesKeepGarbage: true,
  bmsrLatchesLow: true,
  transmitWithinPages: false,
};

/** QEMU 10.0.2's models, without throttling: add `throttleUs: 128, ghostInterrupts: true` for e1000e's timing. */
export const QEMU: Quirks = {
  backEndQueues: true,
  icrReadKeepsInMsix: true,
  eiacClearsIms: true,
  autoMask: false,
  linkIgnoresSlu: true,
  ctrlResetHitsPhy: true,
  functionResetIsNoop: true,
  instant: true,
  throttleUs: 0,
  moderation: false,
  ghostInterrupts: false,
  tablesKeepGarbage: false,
  bmsrLatchesLow: false,
  transmitWithinPages: true,
};
