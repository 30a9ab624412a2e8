/**
 * What the daemon reports, and its two renderings: a line of text for people, a line of JSON for programs.
 * Layer: daemon. Invariant: one event is one line; the JSON keys are API, the wording of the text is not.
 */
import { type ErrorCode, NdisVfioError } from '../base/errors.ts';
import type { BridgeStatus, LinkStatus } from '../control/messages.ts';
import { placeOf, type Violation } from '../ndis/index.ts';

export type DaemonEvent =
  | { readonly event: 'opened'; readonly ids: string; readonly miniport: string }
  | { readonly event: 'initialized'; readonly mac: string; readonly interrupts: string; readonly messages: number }
  | ({ readonly event: 'link' } & LinkStatus)
  | {
      readonly event: 'running';
      readonly tap: string;
      readonly mac: string;
      readonly mtu: number;
      readonly startMs: number;
    }
  | { readonly event: 'vector'; readonly message: number; readonly disabled: boolean }
  | { readonly event: 'hang' }
  | { readonly event: 'reset'; readonly status: string }
  | { readonly event: 'log'; readonly text: string }
  | { readonly event: 'violation'; readonly violation: Violation }
  | {
      readonly event: 'statistics';
      readonly nic: Readonly<Record<string, number>>;
      readonly bridge: BridgeStatus;
    }
  | { readonly event: 'stopping'; readonly reason: string }
  | {
      readonly event: 'stopped';
      readonly elapsedMs: number;
      readonly sent: number;
      readonly completed: number;
      readonly received: number;
      /** False: the time ran out and the device was closed without the miniport's consent. */
      readonly orderly: boolean;
    }
  | { readonly event: 'error'; readonly code: ErrorCode | 'E_INTERNAL'; readonly message: string };

/** Takes events. */
export type EventSink = (event: DaemonEvent) => void;

/** The event as a line of text, without a line feed. */
export function formatText(device: string, event: DaemonEvent): string {
  return `${device} ${describe(event)}`;
}

/** The event as a line of JSON, without a line feed. `time` is ISO 8601 in UTC. */
export function formatJson(device: string, event: DaemonEvent, time: Date): string {
  return JSON.stringify({ time: time.toISOString(), device, ...event });
}

/** A link as text: `up 1000 Mbit/s full duplex`. */
export function describeLink(link: LinkStatus): string {
  if (link.state !== 'up') return link.state;
  const speed = link.speedMbps > 0 ? ` ${link.speedMbps} Mbit/s` : '';
  return `up${speed}${link.duplex === 'unknown' ? '' : ` ${link.duplex} duplex`}`;
}

function describe(event: DaemonEvent): string {
  switch (event.event) {
    case 'opened':
      return `opened: ${event.ids}, miniport ${event.miniport}`;
    case 'initialized':
      return `initialized: MAC ${event.mac}, ${event.interrupts} with ${event.messages} message(s)`;
    case 'link':
      return `link ${describeLink(event)}`;
    case 'running':
      return `running: ${event.tap}, MAC ${event.mac}, MTU ${event.mtu}, ready after ${event.startMs.toFixed(0)} ms`;
    case 'vector':
      return `vector ${event.message} ${event.disabled ? 'disabled' : 'enabled'}`;
    case 'hang':
      return 'hang: the miniport reports that the device makes no progress';
    case 'reset':
      return `reset: ${event.status}`;
    case 'violation': {
      const { severity, rule, what, stack, fix } = event.violation;
      const code = stack[0] === undefined ? '' : `, ${stack[0]}`;
      return `verifier ${severity} ${rule}: ${what} (${placeOf(event.violation)}${code}). ${fix}`;
    }
    case 'log':
      return `log: ${event.text}`;
    case 'statistics': {
      const { toNic, toTap } = event.bridge;
      const { noRoom, refused, oversize } = toTap.dropped;
      return (
        `statistics: to NIC ${toNic.frames} frames ${toNic.bytes} bytes (${toNic.failed} failed, ` +
        `${toNic.inFlight} in flight, ${toNic.stalls} stalls); to TAP ${toTap.frames} frames ${toTap.bytes} bytes ` +
        `(dropped: ${noRoom} no room, ${refused} refused, ${oversize} oversize); NIC ${nonZero(event.nic)}`
      );
    }
    case 'stopping':
      return `stopping: ${event.reason}`;
    case 'stopped':
      return (
        `stopped after ${event.elapsedMs.toFixed(0)} ms: ${event.completed} of ${event.sent} sends completed, ` +
        `${event.received} frames received${event.orderly ? '' : ' (forced: the time ran out)'}`
      );
    case 'error':
      return `error ${event.code}: ${event.message}`;
  }
}

function nonZero(counters: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counters)
    .filter(([, value]) => value !== 0)
    .map(([name, value]) => `${name} ${value}`);
  return parts.length > 0 ? parts.join(', ') : 'all counters 0';
}

/** The event for an error of any origin. */
export function errorEvent(error: unknown): DaemonEvent {
  if (error instanceof NdisVfioError) return { event: 'error', code: error.code, message: error.message };
  return { event: 'error', code: 'E_INTERNAL', message: error instanceof Error ? error.message : String(error) };
}
