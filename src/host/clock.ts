/**
 * The machine's clock. Layer: host.
 * Invariant: nowUs() reads CLOCK_MONOTONIC into two reused words, so it allocates nothing (process.hrtime would).
 */
import type { Clock, Timer } from '../platform/index.ts';
import type { NativeAddon } from './addon.ts';
import { loadAddon } from './native.ts';

const parts = new Uint32Array(2);
let addon: NativeAddon | undefined;

/** CLOCK_MONOTONIC and Node's timers. The addon is loaded at the first call. @throws NdisVfioError E_ADDON. */
export const systemClock: Clock = {
  nowUs(): number {
    addon ??= loadAddon();
    addon.readClock(parts);
    return parts[0]! * 1e6 + parts[1]! / 1e3;
  },
  after(delayMs: number, callback: () => void): Timer {
    const timer = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
  every(periodMs: number, callback: () => void): Timer {
    const timer = setInterval(callback, periodMs);
    return { cancel: () => clearInterval(timer) };
  },
  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, delayMs));
  },
  // In steps, because the addon refuses to block the thread for more than a second at once.
  stall(delayUs: number): void {
    addon ??= loadAddon();
    for (let leftUs = delayUs; leftUs > 0; leftUs -= 1e6) addon.stall(Math.min(leftUs, 1e6));
  },
};
