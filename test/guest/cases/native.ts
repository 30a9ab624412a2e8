/**
 * Runs the checks of the addon against a real vfio-pci (test/guest/vfio-native.ts) as the program of their own that they
 * are: they count descriptors and mappings of their process. Layer: test (runs in the guest).
 */
import { command, ROOT } from '../../../scripts/guest/tools.ts';

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
