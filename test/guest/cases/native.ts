/**
 * Runs the programs that check a layer by themselves, as programs: they count descriptors and mappings of their process
 * (vfio-native.ts), or hold two NICs at once (miniport-smoke.ts). Layer: test (runs in the guest).
 */
import { command, ROOT } from '../../../scripts/guest/tools.ts';
import { bindOnce } from './edge.ts';

export interface NativeFact {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: unknown;
}

export interface NativeResult {
  readonly status: number;
  readonly facts: readonly NativeFact[];
  readonly stderr: string;
}

/** `unbound`: a function no driver has, for the error that names it. */
export async function run(params: { bdf: string; unbound: string }): Promise<NativeResult> {
  const script = `${ROOT}dist/test/guest/vfio-native.js`;
  const { status, stdout, stderr } = await command(process.execPath, [script, params.bdf, params.unbound], 120_000);
  const facts = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as NativeFact);
  return { status, facts, stderr };
}

export interface SmokeResult {
  readonly status: number;
  readonly lines: readonly string[];
  readonly stderr: string;
}

/** Two adapters of ours face each other on a hub: every kind of interrupt, masks, jumbo frames, resets. */
export async function smoke(params: { nics: readonly string[]; frames: number }): Promise<SmokeResult> {
  for (const bdf of params.nics) await bindOnce(bdf);
  const { status, stdout, stderr } = await command(
    '/usr/bin/env',
    [
      `SMOKE_NICS=${params.nics.join(',')}`,
      `SMOKE_FRAMES=${params.frames}`,
      process.execPath,
      `${ROOT}dist/test/guest/miniport-smoke.js`,
    ],
    150_000,
  );
  return { status, lines: stdout.trimEnd().split('\n'), stderr };
}
