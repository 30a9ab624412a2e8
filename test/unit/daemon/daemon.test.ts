/**
 * Rules under test: whatever ends the daemon, nothing stays behind: no interface, no device, no socket file, no timer.
 * The daemon runs with the built-in miniports on the simulated NICs.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { request } from '../../../src/cli/client.ts';
import { type DaemonEnd, runDaemon, type Stopper } from '../../../src/daemon/daemon.ts';
import type { DaemonEvent } from '../../../src/daemon/events.ts';
import { createSimMachine, frameTo, type SimMachine } from '../application/sim-machine.ts';

const PEER = Uint8Array.of(0x02, 0, 0, 0, 0, 9);

describe.each(['igb', 'e1000e'] as const)('daemon on %s', (chip) => {
  let folder = '';
  let world: SimMachine;
  let events: DaemonEvent[] = [];
  let stopper: Stopper;

  const names = (): string[] => events.map((event) => event.event);
  const socket = (): string => join(folder, 'control.sock');

  function start(options: { readonly mtu?: number } = {}): Promise<DaemonEnd> {
    const promise = runDaemon(
      { address: '0000:01:00.0', tap: 'tap7', version: '1.2.3', socketPath: socket, ...options },
      world.machine,
      (event) => events.push(event),
      (each) => {
        stopper = each;
      },
    );
    promise.catch(() => undefined);
    return promise;
  }

  /** Lets simulated time pass until an event of this name was reported. */
  async function until(name: DaemonEvent['event']): Promise<void> {
    for (let i = 0; i < 400 && !names().includes(name); i++) await world.sim.advance(25);
    expect(names()).toContain(name);
  }

  async function untilLinkUp(): Promise<void> {
    for (let i = 0; i < 400 && !events.some((each) => each.event === 'link' && each.state === 'up'); i++) {
      await world.sim.advance(25);
    }
  }

  function expectNothingLeft(): void {
    expect(world.sim.pci.closed).toBe(true);
    expect(world.sim.pci.held).toEqual([]);
    expect(world.tap?.closed ?? true).toBe(true);
    expect(existsSync(socket())).toBe(false);
    expect(world.sim.clock.softwareTimers).toBe(0);
  }

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'daemon-'));
    world = createSimMachine(chip);
    events = [];
  });
  afterEach(() => {
    stopper.abandon();
    world.restore();
    rmSync(folder, { recursive: true, force: true });
  });

  it('carries frames both ways, gives the TAP the MAC and the carrier, and stops orderly', async () => {
    const end = start();
    await until('running');
    await untilLinkUp();
    const tap = world.tap!;
    expect(tap.mac).toEqual(world.sim.mac);
    expect(tap.carrier).toBe(true);
    for (let number = 0; number < 100; number++) tap.push(frameTo(PEER, number));
    await world.sim.settle();
    expect(world.sim.peer.take().map((frame) => frame[14])).toEqual(Array.from({ length: 100 }, (_, number) => number));
    for (let number = 0; number < 100; number++) {
      world.sim.peer.send(frameTo(world.sim.mac, number));
      await world.sim.settle();
    }
    expect(tap.take().map((frame) => frame[14])).toEqual(Array.from({ length: 100 }, (_, number) => number));
    stopper.stop('SIGTERM');
    expect(await world.sim.run(end)).toEqual({ kind: 'stopped' });
    const stopped = events.at(-1);
    expect(stopped).toMatchObject({ event: 'stopped', sent: 100, completed: 100, received: 100, orderly: true });
    expect(names().filter((name) => name === 'running' || name === 'stopping' || name === 'opened')).toEqual([
      'opened',
      'running',
      'stopping',
    ]);
    expectNothingLeft();
    expect(world.sim.broken).toEqual([]);
  });

  it('completes sends that are in flight when it is told to stop', async () => {
    const end = start();
    await until('running');
    await untilLinkUp();
    for (let number = 0; number < 50; number++) world.tap!.push(frameTo(PEER, number));
    await new Promise((resolve) => setImmediate(resolve));
    stopper.stop('SIGTERM');
    expect(await world.sim.run(end)).toEqual({ kind: 'stopped' });
    const stopped = events.at(-1) as Extract<DaemonEvent, { event: 'stopped' }>;
    expect(stopped.completed).toBe(stopped.sent);
    expectNothingLeft();
  });

  it('answers status and switches a vector off and on over its socket', async () => {
    const end = start();
    await until('running');
    const status = await request('0000:01:00.0', 'status', {}, socket());
    expect(status).toMatchObject({ state: 'Running', tap: 'tap7', mtu: 1500, version: '1.2.3', miniport: chip });
    expect(status.interrupts).toMatchObject({ kind: 'MSI-X' });
    expect(status.interrupts.messages.length).toBeGreaterThan(1);
    expect(await request('0000:01:00.0', 'vector.disable', { message: 0 }, socket())).toEqual({
      message: 0,
      disabled: true,
    });
    const off = (await request('0000:01:00.0', 'status', {}, socket())).interrupts.messages[0]!;
    expect(off).toMatchObject({ disabled: true, masked: true });
    await request('0000:01:00.0', 'vector.enable', { message: 0 }, socket());
    const on = (await request('0000:01:00.0', 'status', {}, socket())).interrupts.messages[0]!;
    expect(on).toMatchObject({ disabled: false, masked: false });
    await expect(request('0000:01:00.0', 'vector.disable', { message: 99 }, socket())).rejects.toMatchObject({
      code: 'E_OPTION',
    });
    stopper.report();
    await world.sim.settle();
    expect(names()).toContain('statistics');
    stopper.stop('SIGINT');
    await world.sim.run(end);
    expectNothingLeft();
  });

  it('reports each change of the link once and lets the carrier follow', async () => {
    const end = start();
    await until('running');
    await untilLinkUp();
    world.sim.wire.setCarrier(false);
    await world.sim.advance(3000);
    world.sim.wire.setCarrier(true);
    await world.sim.advance(6000);
    const states = events.flatMap((event) => (event.event === 'link' ? [event.state] : []));
    expect(states.slice(states.indexOf('up'))).toEqual(['up', 'down', 'up']);
    expect(world.tap!.carrier).toBe(true);
    stopper.stop('SIGTERM');
    await world.sim.run(end);
  });

  it('closes the device when the TAP cannot be made', async () => {
    world.tapFails = true;
    await expect(world.sim.run(start())).rejects.toMatchObject({ code: 'E_TAP_NAME' });
    expectNothingLeft();
  });

  it.each([1, 2, 3])('closes everything when DMA allocation %i fails', async (call) => {
    world.sim.pci.faults.failAllocateDma = call;
    await expect(world.sim.run(start())).rejects.toThrow();
    expectNothingLeft();
  });

  it('closes everything when the interrupts are not granted', async () => {
    world.sim.pci.faults.failEnableInterrupts = true;
    await expect(world.sim.run(start())).rejects.toThrow();
    expectNothingLeft();
  });

  it('stops during the start without having served a frame', async () => {
    const end = start();
    await new Promise((resolve) => setImmediate(resolve));
    stopper.stop('SIGTERM');
    expect(await world.sim.run(end)).toEqual({ kind: 'stopped' });
    expectNothingLeft();
  });

  it('gives the device back when the kernel asks for it', async () => {
    const end = start();
    await until('running');
    world.sim.pci.onRemovalRequest?.();
    world.sim.pci.onRemovalRequest?.();
    expect(await world.sim.run(end)).toEqual({ kind: 'removal' });
    expect(names().filter((name) => name === 'stopping')).toHaveLength(1);
    expectNothingLeft();
  });

  it('ends with E_TAP and a quiet device when somebody deletes the interface', async () => {
    const end = start();
    await until('running');
    await untilLinkUp();
    world.tap!.close();
    world.sim.peer.send(frameTo(world.sim.mac, 1));
    expect(await world.sim.run(end)).toMatchObject({ kind: 'fault', error: { code: 'E_TAP' } });
    expectNothingLeft();
  });

  it.each(['ones', 'zero'] as const)('ends with E_DEVICE_GONE when registers read all %s', async (reads) => {
    const end = start();
    await until('running');
    world.sim.nic.remove(reads);
    const reason = await world.sim.run(end);
    expect(reason).toMatchObject({ kind: 'gone', error: { code: 'E_DEVICE_GONE' } });
    expect(events.some((event) => event.event === 'error' && event.code === 'E_DEVICE_GONE')).toBe(true);
    expectNothingLeft();
  });
});
