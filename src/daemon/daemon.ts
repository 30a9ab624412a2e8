/**
 * One NIC in service: opens it, bridges it to a TAP, reports, and takes everything down again. Layer: daemon.
 * Invariants: whatever ends it (a signal, the kernel, the device, an error half-way through the start), the same steps
 * run backwards from where it stood; the orderly way out has SHUTDOWN_MS, after that the function is closed regardless.
 */

import type { Machine } from '../application/machine.ts';
import {
  type AdapterSettings,
  checkSettings,
  formatIds,
  formatMac,
  MTU_DEFAULT,
  type OpenedAdapter,
  openAdapter,
  startAdapter,
} from '../application/open-adapter.ts';
import { type EndReason, watchEnd } from '../application/watch-end.ts';
import { NdisVfioError } from '../base/errors.ts';
import { type Bridge, openBridge } from '../bridge/bridge.ts';
import { openEdge, slotBytesFor } from '../bridge/edge.ts';
import type { Methods, Request, StatusResult, VectorResult } from '../control/messages.ts';
import {
  type AdapterLogEntry,
  NDIS_CONNECT_LINE_BASED,
  type NDIS_LINK_STATE,
  NDIS_STATUS_SUCCESS,
  NdisDiagnosticDisableInterrupt,
  NdisDiagnosticDisableMessageInterrupt,
  NdisDiagnosticEnableInterrupt,
  NdisDiagnosticEnableMessageInterrupt,
  statusName,
} from '../ndis/index.ts';
import type { Tap } from '../platform/index.ts';
import { type EventSink, errorEvent } from './events.ts';
import { type ControlServer, openControlServer } from './server.ts';
import { interruptKind, readStatus, toLinkStatus } from './status.ts';

/** Send slots: frames that can wait for the NIC at once. */
const SEND_SLOTS = 256;
/** Of the 2 s a stop may take: sends in flight get this much to leave by themselves. */
const SEND_DRAIN_MS = 500;
/** All of the orderly way out; the rest of the 2 s is for closing the function. */
const SHUTDOWN_MS = 1500;

export interface DaemonOptions extends AdapterSettings {
  readonly address: string;
  readonly tap: string;
  /** Path of the control socket for an address. */
  readonly socketPath: (address: string) => string;
  /** Version of the package, for the status. */
  readonly version: string;
}

/** What ended a daemon. */
export type DaemonEnd = EndReason | { readonly kind: 'stopped' } | { readonly kind: 'forced' };

/** Stops a daemon from outside, at any time after its creation. */
export interface Stopper {
  /** Asks for an orderly stop; the first reason counts. */
  stop(reason: string): void;
  /** Emits statistics now, if it runs. */
  report(): void;
  /** Closes the function at once: for the way out of a crash. */
  abandon(): void;
}

/**
 * Runs one NIC until it ends. `attach` receives the stopper before anything is opened.
 * @returns why it ended; everything is closed then
 * @throws NdisVfioError when it cannot start; nothing stays behind
 */
export async function runDaemon(
  options: DaemonOptions,
  machine: Machine,
  emit: EventSink,
  attach: (stopper: Stopper) => void,
): Promise<DaemonEnd> {
  const daemon = new Daemon(options, machine, emit);
  attach(daemon);
  try {
    await daemon.start();
  } catch (error) {
    await daemon.close('error');
    throw error;
  }
  const end = await daemon.ended;
  const orderly = await daemon.close(end.kind === 'gone' ? 'gone' : 'running');
  return end.kind === 'stopped' && !orderly ? { kind: 'forced' } : end;
}

class Daemon implements Stopper {
  readonly ended: Promise<DaemonEnd>;
  private readonly options: DaemonOptions;
  private readonly machine: Machine;
  private readonly emit: EventSink;
  private readonly startedMs: number;
  private startMs = 0;
  private resets = 0;
  private opened: OpenedAdapter | undefined;
  private tap: Tap | undefined;
  private bridge: Bridge | undefined;
  private server: ControlServer | undefined;
  private lastLink = '';
  private resolveEnded: (end: DaemonEnd) => void = () => undefined;
  private stopRequested = false;

  constructor(options: DaemonOptions, machine: Machine, emit: EventSink) {
    this.options = options;
    this.machine = machine;
    this.emit = emit;
    this.startedMs = performance.now();
    this.ended = new Promise((resolve) => {
      this.resolveEnded = resolve;
    });
  }

  async start(): Promise<void> {
    const { options, machine, emit } = this;
    checkSettings(options);
    const mtu = options.mtu ?? MTU_DEFAULT;
    const slotBytes = slotBytesFor(mtu);
    const opened = await openAdapter(machine, options.address, options, SEND_SLOTS * slotBytes);
    this.opened = opened;
    const { adapter, pci } = opened;
    emit({ event: 'opened', ids: formatIds(pci.ids), miniport: opened.miniportName });
    // Before the slow bring-up of the device: a name that is taken should not cost a device reset.
    const tap = machine.openTap(options.tap, { mtu });
    this.tap = tap;
    this.listen(opened);
    if (this.stopRequested) return;
    await adapter.initialize();
    if (this.stopRequested) return;
    const interrupt = adapter.interrupt;
    emit({
      event: 'initialized',
      mac: formatMac(adapter.macAddress),
      interrupts: interruptKind(adapter),
      messages: interrupt === null ? 0 : Math.max(1, interrupt.messageCount),
    });
    tap.setMac(adapter.macAddress);
    const onTapFailure = (error: unknown): void => this.endBy({ kind: 'fault', error: tapError(tap.name, error) });
    const bridge = openBridge(tap, { mtu, onTapFailure }, (handlers) =>
      openEdge(adapter, SEND_SLOTS, slotBytes, handlers),
    );
    this.bridge = bridge;
    this.server = await openControlServer(options.socketPath(pci.address), (request) => this.handle(request));
    await startAdapter(opened, options.promiscuous ?? false);
    bridge.start(adapter.linkState);
    this.reportLink(adapter.linkState);
    this.startMs = Math.round(performance.now());
    emit({ event: 'running', tap: tap.name, mac: formatMac(adapter.macAddress), mtu, startMs: this.startMs });
  }

  stop(reason: string): void {
    if (this.stopRequested) return;
    this.stopRequested = true;
    this.emit({ event: 'stopping', reason });
    this.resolveEnded({ kind: 'stopped' });
  }

  report(): void {
    const { opened, bridge } = this;
    if (opened === undefined || bridge === undefined) return;
    opened.adapter.statistics().then(
      (nic) => this.emit({ event: 'statistics', nic, bridge: bridge.counters() }),
      (error: unknown) => this.emit(errorEvent(error)),
    );
  }

  abandon(): void {
    this.server?.close();
    this.opened?.abandon();
    this.tap?.close();
  }

  /** Takes down what stands, in the reverse order of the start. True when every step was done in time. */
  async close(state: 'running' | 'gone' | 'error'): Promise<boolean> {
    const startedMs = performance.now();
    const { opened, bridge } = this;
    this.server?.close();
    let orderly = true;
    if (opened !== undefined) {
      orderly = await this.within(SHUTDOWN_MS, this.closeAdapter(opened, bridge, state === 'gone'));
      opened.abandon();
    }
    this.tap?.close();
    if (state !== 'error') {
      const counters = bridge?.counters();
      this.emit({
        event: 'stopped',
        elapsedMs: Math.round(performance.now() - startedMs),
        sent: counters?.toNic.frames ?? 0,
        completed: counters?.toNic.completed ?? 0,
        received: counters?.toTap.frames ?? 0,
        orderly,
      });
    }
    return orderly;
  }

  private async closeAdapter(opened: OpenedAdapter, bridge: Bridge | undefined, gone: boolean): Promise<void> {
    bridge?.stop();
    if (bridge !== undefined && !gone) {
      await bridge.whenIdle(this.machine.clock, SEND_DRAIN_MS);
      // Pausing first makes the miniport complete what the drain left, so that the binding closes with nothing out.
      if (opened.adapter.state === 'Running') await opened.adapter.pause();
      bridge.close();
    }
    await opened.close(gone);
  }

  /** True when `work` ends in time without an error; an error is reported, not thrown: the way out goes on. */
  private async within(timeoutMs: number, work: Promise<void>): Promise<boolean> {
    let cancel: () => void = () => undefined;
    const late = new Promise<boolean>((resolve) => {
      const timer = this.machine.clock.after(timeoutMs, () => resolve(false));
      cancel = () => timer.cancel();
    });
    const done = work.then(
      () => true,
      (error: unknown) => {
        this.emit(errorEvent(error));
        return false;
      },
    );
    const orderly = await Promise.race([done, late]);
    cancel();
    return orderly;
  }

  private listen(opened: OpenedAdapter): void {
    const { adapter } = opened;
    adapter.onLink((state) => this.reportLink(state));
    adapter.onLog((entry) => this.emit({ event: 'log', text: describeLog(entry) }));
    adapter.onViolation((violation) => this.emit({ event: 'violation', violation }));
    adapter.onHang(() => this.emit({ event: 'hang' }));
    adapter.onReset((status) => {
      this.resets++;
      this.emit({ event: 'reset', status: statusName(status) });
    });
    watchEnd(opened, (reason) => this.endBy(reason));
  }

  /** Something other than a stop from outside ends it; the first reason counts. */
  private endBy(reason: EndReason): void {
    if (this.stopRequested) return;
    this.stopRequested = true;
    if (reason.kind === 'removal') {
      this.emit({ event: 'stopping', reason: 'the kernel asks for the device (unbind or hot unplug)' });
    } else {
      this.emit(errorEvent(reason.error));
    }
    this.resolveEnded(reason);
  }

  /** One event per change: indications may repeat a state (contract 2.10). */
  private reportLink(state: NDIS_LINK_STATE): void {
    const link = toLinkStatus(state);
    const key = JSON.stringify(link);
    if (key === this.lastLink) return;
    this.lastLink = key;
    this.emit({ event: 'link', ...link });
  }

  private async handle(request: Request): Promise<Methods[Request['method']]['result']> {
    switch (request.method) {
      case 'status':
        return this.status();
      case 'vector.disable':
        return this.setVector(request.params.message, true);
      case 'vector.enable':
        return this.setVector(request.params.message, false);
    }
  }

  private status(): Promise<StatusResult> {
    const { opened, bridge, tap } = this;
    if (opened === undefined || bridge === undefined || tap === undefined) throw new Error('not started');
    return readStatus({
      opened,
      bridge,
      tapName: tap.name,
      version: this.options.version,
      startMs: this.startMs,
      uptimeMs: Math.round(performance.now() - this.startedMs),
      resets: this.resets,
    });
  }

  private setVector(message: number, disabled: boolean): VectorResult {
    const interrupt = this.opened?.adapter.interrupt ?? null;
    const action = `Cannot ${disabled ? 'disable' : 'enable'} vector ${message}`;
    if (interrupt === null || message >= interrupt.messages.length) {
      throw new NdisVfioError('E_OPTION', {
        action,
        cause: `the adapter has ${interrupt?.messages.length ?? 0} message(s), numbered from 0`,
        cure: 'See "ndis-vfio status" for its messages',
      });
    }
    const line = interrupt.type === NDIS_CONNECT_LINE_BASED;
    const status = line
      ? disabled
        ? NdisDiagnosticDisableInterrupt(interrupt.handle)
        : NdisDiagnosticEnableInterrupt(interrupt.handle)
      : disabled
        ? NdisDiagnosticDisableMessageInterrupt(interrupt.handle, message)
        : NdisDiagnosticEnableMessageInterrupt(interrupt.handle, message);
    if (status !== NDIS_STATUS_SUCCESS) {
      throw new NdisVfioError('E_STATE', {
        action,
        cause: `NDIS answered ${statusName(status)}`,
        cure: 'The miniport may lack the handler for it; see "ndis-vfio status"',
      });
    }
    this.emit({ event: 'vector', message, disabled });
    return { message, disabled };
  }
}

function tapError(name: string, error: unknown): NdisVfioError {
  return new NdisVfioError(
    'E_TAP',
    {
      action: `Cannot go on with the TAP ${name}`,
      cause: error instanceof Error ? error.message : String(error),
      cure: 'Start again; do not delete the interface while the NIC runs',
    },
    error,
  );
}

function describeLog(entry: AdapterLogEntry): string {
  const code = entry.code === undefined ? '' : ` 0x${entry.code.toString(16)}`;
  const values = entry.values?.length ? ` (${entry.values.map((value) => `0x${value.toString(16)}`).join(', ')})` : '';
  return `${entry.kind}${code}: ${entry.message}${values}`;
}
