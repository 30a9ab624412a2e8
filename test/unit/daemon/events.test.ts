/**
 * Rule under test: one event is one line, as text for people and as JSON for programs.
 */
import { describe, expect, it } from 'vitest';
import { NdisVfioError } from '../../../src/base/errors.ts';
import { type DaemonEvent, errorEvent, formatJson, formatText } from '../../../src/daemon/events.ts';

const BRIDGE = {
  toNic: { frames: 3, bytes: 180, batches: 1, completed: 3, failed: 0, stalls: 0, inFlight: 0 },
  toTap: { frames: 2, bytes: 120, batches: 1, copied: 0, dropped: { noRoom: 1, refused: 0, oversize: 0 } },
};
const EVENTS: readonly (readonly [DaemonEvent, string])[] = [
  [{ event: 'opened', ids: '8086:10c9', miniport: 'igb' }, 'opened: 8086:10c9, miniport igb'],
  [{ event: 'link', state: 'up', speedMbps: 1000, duplex: 'full' }, 'link up 1000 Mbit/s full duplex'],
  [{ event: 'link', state: 'down', speedMbps: 0, duplex: 'unknown' }, 'link down'],
  [
    { event: 'running', tap: 'tap0', mac: '52:54:00:12:34:56', mtu: 1500, startMs: 812.4 },
    'running: tap0, MAC 52:54:00:12:34:56, MTU 1500, ready after 812 ms',
  ],
  [{ event: 'vector', message: 1, disabled: true }, 'vector 1 disabled'],
  [{ event: 'reset', status: 'NDIS_STATUS_SUCCESS' }, 'reset: NDIS_STATUS_SUCCESS'],
  [{ event: 'stopping', reason: 'SIGTERM' }, 'stopping: SIGTERM'],
  [
    { event: 'stopped', elapsedMs: 80.2, sent: 9, completed: 9, received: 4, orderly: true },
    'stopped after 80 ms: 9 of 9 sends completed, 4 frames received',
  ],
];

describe('daemon events', () => {
  it.each(EVENTS)('renders %o as text', (event, text) => {
    expect(formatText('0000:01:00.0', event)).toBe(`0000:01:00.0 ${text}`);
  });

  it('renders statistics on one line, zero counters left out', () => {
    const nic = { ifHCInUcastPkts: 2, ifInErrors: 0 };
    const line = formatText('0000:01:00.0', { event: 'statistics', nic, bridge: BRIDGE });
    expect(line).toContain('NIC ifHCInUcastPkts 2');
    expect(line).toContain('1 no room');
    expect(line).not.toContain('ifInErrors');
    expect(line).not.toContain('\n');
  });

  it('renders every event as one JSON object with time and device', () => {
    for (const [event] of EVENTS) {
      const line = formatJson('0000:01:00.0', event, new Date(0));
      expect(JSON.parse(line)).toEqual({ time: '1970-01-01T00:00:00.000Z', device: '0000:01:00.0', ...event });
    }
  });

  it('keeps the stable code of an error and marks others as internal', () => {
    const ours = new NdisVfioError('E_DEVICE_GONE', { action: 'a', cause: 'b', cure: 'c' });
    expect(errorEvent(ours)).toEqual({ event: 'error', code: 'E_DEVICE_GONE', message: 'a: b. c' });
    expect(errorEvent(new Error('x'))).toEqual({ event: 'error', code: 'E_INTERNAL', message: 'x' });
  });
});
