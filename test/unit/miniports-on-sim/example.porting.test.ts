/**
 * The example of docs/porting.md on the simulated 82574L, under the verifier. Layer: test/unit.
 * Rule: a miniport written by a user, importing nothing but `ndis-vfio/ndis`, carries frames and breaks no rule.
 */
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  loadDriver,
  MediaConnectStateConnected,
  type MiniportModule,
  NDIS_STATUS_SUCCESS,
  NdisDiagnosticDisableMessageInterrupt,
  NdisDiagnosticEnableMessageInterrupt,
} from '../../../src/ndis/index.ts';
import { createSim, redirectSleep } from '../../../src/sim/index.ts';
import { numbered, numbersOf, PEER, Rig, range } from './rig.ts';

// The package's own name leads to the built files; the layer under test is the source.
vi.mock('ndis-vfio/ndis', () => import('../../../src/ndis/index.ts'));

const FILE = new URL('../../../docs/examples/simple-82574.mjs', import.meta.url);
let realSleep: () => void;
let rig: Rig;

async function create(messageLimit: number): Promise<Rig> {
  const module = (await import(FILE.href)) as MiniportModule;
  const sim = createSim({ chip: 'e1000e' });
  realSleep = redirectSleep(sim.clock);
  return new Rig(sim, await loadDriver(module), { clock: sim.clock, verifier: 'throw', messageLimit }, true);
}

beforeEach(async () => {
  rig = await create(5);
});
afterEach(() => realSleep());

async function end(): Promise<void> {
  await rig.stop();
  rig.clean();
  rig.released();
}

test('imports nothing but ndis-vfio/ndis', () => {
  const text = readFileSync(FILE, 'utf8');
  expect([...text.matchAll(/from '([^']+)'/g)].map((one) => one[1])).toEqual(['ndis-vfio/ndis']);
});

test('brings the link up and carries 100 frames each way', async () => {
  await rig.start();
  expect(rig.adapter.linkState.MediaConnectState).toBe(MediaConnectStateConnected);
  expect(rig.adapter.linkState.XmitLinkSpeed).toBe(1e9);
  rig.send(...range(100).map((i) => numbered(PEER, i, 64 + i)));
  await rig.sim.settle();
  expect(numbersOf(rig.sim.peer.take())).toEqual(range(100));
  expect(rig.completed).toEqual(range(100).map(() => NDIS_STATUS_SUCCESS));
  for (const i of range(100)) rig.sim.peer.send(numbered(rig.sim.mac, i, 64 + i));
  await rig.sim.settle();
  expect(numbersOf(rig.take())).toEqual(range(100));
  await end();
});

test('masks the receive message on request, and delivers what waited when it is unmasked', async () => {
  await rig.start();
  const isrCalls = rig.isrCalls[0];
  const { handle } = rig.adapter.interrupt!;
  expect(NdisDiagnosticDisableMessageInterrupt(handle, 0)).toBe(NDIS_STATUS_SUCCESS);
  for (const i of range(10)) rig.sim.peer.send(numbered(rig.sim.mac, i, 64));
  await rig.sim.settle();
  expect(rig.received.length).toBe(0);
  expect(rig.isrCalls[0]).toBe(isrCalls);
  expect(NdisDiagnosticEnableMessageInterrupt(handle, 0)).toBe(NDIS_STATUS_SUCCESS);
  await rig.sim.settle();
  expect(numbersOf(rig.take())).toEqual(range(10));
  await end();
});

test('waits in a pause for the frames a protocol holds, and runs again after it', async () => {
  await rig.start();
  rig.holding = true;
  rig.sim.peer.send(numbered(rig.sim.mac, 1, 64));
  await rig.sim.settle();
  expect(rig.held.length).toBe(1);
  const paused = rig.adapter.pause();
  await rig.sim.advance(100);
  expect(rig.adapter.state).toBe('Pausing');
  rig.giveBack();
  await rig.run(paused);
  rig.holding = false;
  await rig.run(rig.adapter.restart());
  rig.send(numbered(PEER, 2, 64));
  await rig.sim.settle();
  expect(numbersOf(rig.sim.peer.take())).toEqual([2]);
  await end();
});
