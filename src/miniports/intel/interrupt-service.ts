/**
 * ISR, DPC and masks of both families. Layer: miniports/intel. Hot file.
 * Frame path 2: vector -> serveMessage() masks the message -> DPC -> rings; next: receive-ring.ts.
 * Invariants: a message is armed only at the end of a DPC that found its rings empty; after arming the ring is looked at
 * once more, since an edge may have been lost. With MoreNblsPending the message stays masked. MSI-X ISRs read nothing.
 */
import {
  type ISR_OUTPUTS,
  type NDIS_HANDLE,
  NDIS_INDICATE_ALL_NBLS,
  type NDIS_MSIX_CONFIG_PARAMETERS,
  NDIS_MSIX_CONFIG_PARAMETERS_REVISION_1,
  NDIS_OBJECT_TYPE_DEFAULT,
  type NDIS_RECEIVE_THROTTLE_PARAMETERS,
  NDIS_SIZEOF_MSIX_CONFIG_PARAMETERS_REVISION_1,
  NDIS_STATUS_SUCCESS,
  NdisDiagnosticMaskIsHardware,
  NdisMConfigMSIXTableEntry,
  NdisMQueueDpc,
  NdisMSIXTableConfigMaskTableEntry,
  NdisMSIXTableConfigUnmaskTableEntry,
} from '../../ndis/index.ts';
import { type IntelDevice, type InterruptPlan, ROLE_OTHER, ROLE_RECEIVE, ROLE_TRANSMIT } from './device.ts';
import type { HardwareAccess } from './hardware-access.ts';
import { ICR_LSC } from './mac-registers.ts';
import type { ReceiveRing } from './receive-ring.ts';
import type { TransmitRing } from './transmit-ring.ts';

export interface InterruptServiceParts {
  readonly hw: HardwareAccess;
  readonly device: IntelDevice;
  readonly handle: NDIS_HANDLE;
  readonly receive: readonly ReceiveRing[];
  readonly transmit: readonly TransmitRing[];
  /** Called in a DPC when the link may have changed. */
  readonly onLinkCause: () => void;
}

export class InterruptService {
  /** False until the adapter is set up and from its end on: interrupts are claimed and do nothing. */
  enabled = false;
  plan: InterruptPlan | null = null;
  /** The NDIS handle, once registered. */
  interrupt: NDIS_HANDLE | null = null;
  /** DPC runs per message, for the watchdog. */
  runs: Uint32Array = new Uint32Array(1);
  /** Interrupts served per message, for the watchdog. */
  served: Uint32Array = new Uint32Array(1);
  readonly #hw: HardwareAccess;
  readonly #device: IntelDevice;
  readonly #handle: NDIS_HANDLE;
  readonly #receive: readonly ReceiveRing[];
  readonly #transmit: readonly TransmitRing[];
  readonly #onLinkCause: () => void;
  #masks: readonly number[] = [];
  #receiveOf: readonly (readonly ReceiveRing[])[] = [];
  #transmitOf: readonly (readonly TransmitRing[])[] = [];
  /** Messages armed at the device, and messages a diagnostic call has disabled; bit n = message n. */
  #armed = 0;
  #diagnosed = 0;
  /** ICR as the line's or MSI's ISR found it. */
  #causes = 0;
  readonly #tableEntry: NDIS_MSIX_CONFIG_PARAMETERS = {
    Header: {
      Type: NDIS_OBJECT_TYPE_DEFAULT,
      Revision: NDIS_MSIX_CONFIG_PARAMETERS_REVISION_1,
      Size: NDIS_SIZEOF_MSIX_CONFIG_PARAMETERS_REVISION_1,
    },
    ConfigOperation: NdisMSIXTableConfigUnmaskTableEntry,
    TableEntry: 0,
    MessageNumber: 0,
  };

  constructor(parts: InterruptServiceParts) {
    this.#hw = parts.hw;
    this.#device = parts.device;
    this.#handle = parts.handle;
    this.#receive = parts.receive;
    this.#transmit = parts.transmit;
    this.#onLinkCause = parts.onLinkCause;
  }

  /** True when the grant has an MSI-X table: only then an entry can be unmasked. One message alone does not tell. */
  hasTable(): boolean {
    this.#tableEntry.TableEntry = 0;
    this.#tableEntry.ConfigOperation = NdisMSIXTableConfigUnmaskTableEntry;
    return NdisMConfigMSIXTableEntry(this.#handle, this.#tableEntry) === NDIS_STATUS_SUCCESS;
  }

  /** Fixes which message reports what. Before anything is armed. */
  usePlan(plan: InterruptPlan): void {
    const messages = Array.from({ length: plan.messageCount }, (_, message) => message);
    this.#masks = messages.map((message) => this.#device.maskOf(plan, message));
    this.#receiveOf = messages.map((message) => this.#receive.filter((r) => plan.receiveMessage[r.queue] === message));
    this.#transmitOf = messages.map((message) =>
      this.#transmit.filter((t) => plan.transmitMessage[t.queue] === message),
    );
    this.runs = new Uint32Array(plan.messageCount);
    this.served = new Uint32Array(plan.messageCount);
    this.plan = plan;
  }

  /** Arms every message. */
  armAll(): void {
    for (let message = 0; message < this.#masks.length; message++) this.#arm(message);
  }

  /** Masks everything at the device. Any IRQL. */
  disarmAll(): void {
    this.#armed = 0;
    this.#device.disableInterrupts(this.#hw);
  }

  isDiagnosed(message: number): boolean {
    return (this.#diagnosed & (1 << message)) !== 0;
  }

  #arm(message: number): void {
    const bit = 1 << message;
    this.#armed |= bit;
    // Without a table's mask the device's own is what the diagnostic call holds down.
    if ((this.#diagnosed & bit) !== 0 && !this.#tableMasks()) return;
    this.#device.arm(this.#hw, this.plan!, this.#masks[message]!);
  }

  #disarm(message: number): void {
    this.#armed &= ~(1 << message);
    this.#device.disarm(this.#hw, this.plan!, this.#masks[message]!);
  }

  /** MiniportMessageInterrupt. DIRQL. */
  serveMessage(message: number, outputs: ISR_OUTPUTS): boolean {
    if (!this.enabled || message >= this.#masks.length) return true;
    this.served[message]! += 1;
    if (this.plan!.mode === 'msi') this.#causes |= this.#device.claim(this.#hw, this.plan!);
    this.#disarm(message);
    outputs.QueueDefaultInterruptDpc = true;
    return true;
  }

  /** MiniportInterrupt. DIRQL. FALSE: another device's on the same line. */
  serveLine(outputs: ISR_OUTPUTS): boolean {
    if (this.plan === null) return false;
    const causes = this.#device.claim(this.#hw, this.plan);
    if (causes === 0) return false;
    if (!this.enabled) return true;
    this.served[0]! += 1;
    this.#causes |= causes;
    this.#disarm(0);
    outputs.QueueDefaultInterruptDpc = true;
    return true;
  }

  /** The DPC of a message; of the line with message 0. DISPATCH_LEVEL. */
  runDpc(message: number, throttle: NDIS_RECEIVE_THROTTLE_PARAMETERS): void {
    if (!this.enabled || this.#hw.gone || message >= this.#masks.length) return;
    const plan = this.plan!;
    const roles = plan.roles[message]!;
    this.runs[message]!++;
    // Before the rings are looked at: what comes later raises the cause again.
    this.#device.acknowledge(this.#hw, plan, this.#masks[message]!, roles);
    if ((roles & ROLE_OTHER) !== 0 && (plan.mode === 'msix' || (this.#causes & ICR_LSC) !== 0)) {
      this.#causes = 0;
      this.#onLinkCause();
    }
    if ((roles & ROLE_TRANSMIT) !== 0) {
      const rings = this.#transmitOf[message]!;
      for (let i = 0; i < rings.length; i++) rings[i]!.harvest();
    }
    if ((roles & ROLE_RECEIVE) !== 0 && !this.#receiveWithin(message, throttle)) return;
    // Completions and indications ran foreign code: the adapter may have been stopped in between.
    if (this.enabled && (this.#armed & (1 << message)) === 0) this.#arm(message);
  }

  /** Empties the receive rings within the budget. True: empty and armed; false: more waits, the message stays masked. */
  #receiveWithin(message: number, throttle: NDIS_RECEIVE_THROTTLE_PARAMETERS): boolean {
    const rings = this.#receiveOf[message]!;
    const unlimited = throttle.MaxNblsToIndicate === NDIS_INDICATE_ALL_NBLS;
    // Even without a limit one pass over the ring is enough for one DPC (contract 1.12).
    let budget = unlimited ? rings[0]!.count : throttle.MaxNblsToIndicate;
    for (;;) {
      for (let i = 0; i < rings.length; i++) budget -= rings[i]!.harvest(budget);
      if (!this.enabled) return false;
      if (budget <= 0 && this.#hasReceived(rings)) {
        if ((this.#armed & (1 << message)) !== 0) this.#disarm(message);
        if (unlimited) NdisMQueueDpc(this.interrupt!, message, 1, null);
        else throttle.MoreNblsPending = 1;
        return false;
      }
      if ((this.#armed & (1 << message)) === 0) this.#arm(message);
      // What came between the last look and the arming would wait for the next interrupt.
      if (!this.#hasReceived(rings)) return true;
      this.#disarm(message);
    }
  }

  #hasReceived(rings: readonly ReceiveRing[]): boolean {
    for (let i = 0; i < rings.length; i++) if (rings[i]!.hasWork()) return true;
    return false;
  }

  /**
   * Queues a message's DPC without an interrupt. Masked first, so that the DPC arms it again: with a lost message of the
   * 82574 EIAC has taken its IMS bit as well, and nothing else would set it. Any IRQL.
   */
  queueDpc(message: number): void {
    if (this.interrupt === null || !this.enabled) return;
    this.#disarm(message);
    NdisMQueueDpc(this.interrupt, message, 1, null);
  }

  /** True when a message is masked in the MSI-X table itself; else the device's mask register has to do it. */
  #tableMasks(): boolean {
    return this.plan?.mode === 'msix' && this.interrupt !== null && NdisDiagnosticMaskIsHardware(this.interrupt);
  }

  /** MiniportDisableMessageInterrupt: the table entry's mask; where there is none to be set, the device's own. DIRQL. */
  disableMessage(message: number): void {
    if (this.plan === null) return;
    this.#diagnosed |= 1 << message;
    if (this.plan.mode === 'msix') this.#configureEntry(message, NdisMSIXTableConfigMaskTableEntry);
    // The cause stays up in the device, which raises it on unmask: once, as the PBA would.
    if (!this.#tableMasks()) this.#device.disarm(this.#hw, this.plan, this.#masks[message]!);
  }

  /** MiniportEnableMessageInterrupt: unmasks, and looks at the rings in a DPC: an edge may be lost. DIRQL. */
  enableMessage(message: number): void {
    if (this.plan === null) return;
    this.#diagnosed &= ~(1 << message);
    if (this.plan.mode === 'msix') this.#configureEntry(message, NdisMSIXTableConfigUnmaskTableEntry);
    if (!this.#tableMasks() && (this.#armed & (1 << message)) !== 0) this.#arm(message);
    this.queueDpc(message);
  }

  #configureEntry(message: number, operation: 1 | 2): void {
    this.#tableEntry.TableEntry = message;
    this.#tableEntry.ConfigOperation = operation;
    NdisMConfigMSIXTableEntry(this.#handle, this.#tableEntry);
  }
}
