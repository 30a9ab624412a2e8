/**
 * What a frame costs the JavaScript heap: the real receive and send path of both miniports and of NDIS, steady state.
 * An interrupt may allocate (a microtask is an object of V8's), a frame may not: the same number of DPCs is run with
 * few and with many frames each, and the difference, divided by the frames, must be 0. Ends with status 1 where it is
 * not. Layer: test/bench. Run: node --expose-gc --min-semi-space-size=128 --max-semi-space-size=128 dist/test/bench/heap.js
 */
import { spawnSync } from 'node:child_process';
import { PerformanceObserver } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { getHeapSpaceStatistics } from 'node:v8';
import type { SendPool } from '../../src/ndis/index.ts';
import {
  NDIS_DEFAULT_PORT_NUMBER,
  type NDIS_HANDLE,
  NDIS_RECEIVE_FLAGS_RESOURCES,
  NDIS_STATUS_SUCCESS,
  NdisOpenAdapterEx,
  NdisReturnNetBufferLists,
  NdisSendNetBufferLists,
  type NET_BUFFER_LIST,
  out,
} from '../../src/ndis/index.ts';
import type { Chip } from '../../src/sim/index.ts';
import { PlayedDevice } from './played-device.ts';

const FRAME_BYTES = 60;
const FEW = 4;
const MANY = 256;
const DPCS = 4000;
const WARM_UP_DPCS = 6000;
/**
 * Below this a difference is the measuring itself: V8 counts the young generation in pages of 256 KiB, and one page over
 * a measurement's million frames is 0.26. The smallest object, for every 50th frame, would show.
 */
const NOISE_BYTES_PER_FRAME = 0.3;
const SEMI_SPACE = ['--min-semi-space-size=128', '--max-semi-space-size=128'];

/** Bytes in V8's young generation, where everything new is put. */
function youngBytes(): number {
  let bytes = 0;
  for (const space of getHeapSpaceStatistics()) {
    if (space.space_name === 'new_space' || space.space_name === 'new_large_object_space')
      bytes += space.space_used_size;
  }
  return bytes;
}

interface Loop {
  readonly device: PlayedDevice;
  /** One round: the device moves `frames` frames and interrupts. */
  round(frames: number): void;
  /** Frames that went all the way. */
  done(): number;
}

function receiveLoop(device: PlayedDevice): Loop {
  const binding = out<NDIS_HANDLE | null>(null);
  let frames = 0;
  const status = NdisOpenAdapterEx(
    device.adapter,
    {
      ReceiveNetBufferListsHandler(_context, chain, _port, count, flags) {
        frames += count;
        if ((flags & NDIS_RECEIVE_FLAGS_RESOURCES) === 0)
          NdisReturnNetBufferLists(binding.Value as NDIS_HANDLE, chain, 0);
      },
      SendNetBufferListsCompleteHandler() {},
      StatusHandlerEx() {},
    },
    null,
    binding,
  );
  if (status !== NDIS_STATUS_SUCCESS) throw new Error(`NdisOpenAdapterEx: ${status}`);
  return {
    device,
    round(count) {
      device.receive(count, FRAME_BYTES);
      device.interrupt(0);
    },
    done: () => frames,
  };
}

function sendLoop(device: PlayedDevice): Loop {
  const binding = out<NDIS_HANDLE | null>(null);
  const pool: SendPool = device.adapter.allocateSendPool({ frames: 2 * MANY, frameBytes: 128 });
  let frames = 0;
  const status = NdisOpenAdapterEx(
    device.adapter,
    {
      ReceiveNetBufferListsHandler() {},
      SendNetBufferListsCompleteHandler(_context, chain) {
        for (let nbl: NET_BUFFER_LIST | null = chain; nbl !== null; ) {
          const next: NET_BUFFER_LIST | null = nbl.Next;
          pool.release(nbl);
          frames++;
          nbl = next;
        }
      },
      StatusHandlerEx() {},
    },
    null,
    binding,
  );
  if (status !== NDIS_STATUS_SUCCESS) throw new Error(`NdisOpenAdapterEx: ${status}`);
  return {
    device,
    round(count) {
      let first: NET_BUFFER_LIST | null = null;
      for (let n = 0; n < count; n++) {
        const nbl = pool.take() as NET_BUFFER_LIST;
        pool.setLength(nbl, FRAME_BYTES);
        nbl.Next = first;
        first = nbl;
      }
      NdisSendNetBufferLists(binding.Value as NDIS_HANDLE, first as NET_BUFFER_LIST, NDIS_DEFAULT_PORT_NUMBER, 0);
      device.transmit(count);
      device.interrupt(1);
    },
    done: () => frames,
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

let collections = 0;
new PerformanceObserver((list) => {
  collections += list.getEntries().length;
}).observe({ entryTypes: ['gc'] });

/** Bytes that `DPCS` rounds of `frames` frames put on the heap. */
async function measure(loop: Loop, frames: number): Promise<number> {
  await turn();
  globalThis.gc?.();
  // The observer hears of the forced collection some turns later.
  for (let n = 0; n < 20; n++) await turn();
  const collectionsBefore = collections;
  const before = youngBytes();
  for (let n = 0; n < DPCS; n++) {
    loop.round(frames);
    // Lets the DPC's microtask run; costs the same for few frames as for many.
    await null;
  }
  const bytes = youngBytes() - before;
  await turn();
  if (collections !== collectionsBefore)
    throw new Error('the collector ran during a measurement: enlarge the semi-space');
  return bytes;
}

async function bench(chip: Chip, name: string, make: (device: PlayedDevice) => Loop): Promise<boolean> {
  const device = await PlayedDevice.open(chip, MANY);
  const loop = make(device);
  for (let n = 0; n < WARM_UP_DPCS; n++) {
    loop.round(n % 2 === 0 ? MANY : FEW);
    await null;
  }
  const before = loop.done();
  const perFrame: number[] = [];
  const perDpc: number[] = [];
  for (let run = 0; run < 5; run++) {
    const few = await measure(loop, FEW);
    const many = await measure(loop, MANY);
    perFrame.push((many - few) / (DPCS * (MANY - FEW)));
    perDpc.push(few / DPCS);
  }
  const expected = 5 * DPCS * (FEW + MANY);
  const moved = loop.done() - before;
  const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1] as number;
  const frameBytes = median(perFrame);
  const good = Math.abs(frameBytes) < NOISE_BYTES_PER_FRAME && moved === expected;
  console.log(
    `${good ? 'ok  ' : 'FAIL'} ${chip.padEnd(6)} ${name.padEnd(8)} ${frameBytes.toFixed(4)} heap bytes a frame, ` +
      `${median(perDpc).toFixed(0)} an interrupt with its DPC; ${moved} of ${expected} frames`,
  );
  device.close();
  return good;
}

if (globalThis.gc === undefined || !process.execArgv.includes(SEMI_SPACE[0] as string)) {
  // The young generation must hold a whole measurement, or the collector would hide what was allocated.
  const { status } = spawnSync(process.execPath, ['--expose-gc', ...SEMI_SPACE, fileURLToPath(import.meta.url)], {
    stdio: 'inherit',
  });
  process.exit(status ?? 1);
}
let good = true;
for (const chip of ['igb', 'e1000e'] as const) {
  good = (await bench(chip, 'receive', receiveLoop)) && good;
  good = (await bench(chip, 'send', sendLoop)) && good;
}
process.exit(good ? 0 : 1);
