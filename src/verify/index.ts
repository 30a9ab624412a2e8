/**
 * Verifies a miniport: every exercise, with every kind of interrupt, then again with each resource call failing in turn,
 * in loops. Layer: verify; its entry for the command line.
 * Invariants: one finding is one row however often it came; what a run finds does not depend on the runs before it.
 */
import { linuxMachine } from '../application/linux-machine.ts';
import { loadMiniportFile } from '../application/load-miniport.ts';
import type { Machine } from '../application/machine.ts';
import {
  type Adapter,
  type AdapterOptions,
  loadDriver,
  type MiniportModule,
  RULES,
  type VerifierMode,
  type Violation,
} from '../ndis/index.ts';
import type { InterruptKind } from '../platform/index.ts';
import { type Bench, EXERCISES, type Exercise, Protocol } from './exercises.ts';
import { FaultFunction } from './fault-function.ts';
import type { ReportCard } from './report-card.ts';
import { realTarget, simulatedTarget, type Target, type TargetKind } from './target.ts';

export { EXERCISES } from './exercises.ts';
export { type ExerciseResult, type Finding, formatReportCard, type ReportCard } from './report-card.ts';

export interface VerifyOptions {
  /** PCI address of a real NIC; undefined: simulated. */
  readonly nic?: string | undefined;
  /** Times everything is done; default 8. */
  readonly loops?: number | undefined;
  /** Called as each exercise ends. */
  readonly progress?: ((done: number, total: number, name: string) => void) | undefined;
}

/** How interrupts are granted in turn: all messages, exactly one, a line. */
const GRANTS: readonly { readonly name: string; readonly options: Partial<AdapterOptions> }[] = [
  { name: '', options: {} },
  { name: ' with one message', options: { messageLimit: 1 } },
  { name: ' with a line', options: { interrupts: 'line' as InterruptKind } },
];
const FAULTS = 'faults';
/** A miniport that claims more is given no more faults. */
const FAULTS_MAX = 200;

interface Tally {
  runs: number;
  failures: number;
  firstFailure: string | null;
  violations: number;
}

/** Verifies a miniport file. @throws NdisVfioError E_MINIPORT_FILE, E_NOT_SUPPORTED, E_DRIVER_ENTRY, and for --nic those of opening it. */
export async function verifyFile(file: string, options: VerifyOptions = {}): Promise<ReportCard> {
  return verifyModule(await loadMiniportFile(file), file, options, linuxMachine);
}

/** Verifies a miniport. `machine` is where a real NIC would be. */
export async function verifyModule(
  module: MiniportModule,
  name: string,
  options: VerifyOptions,
  machine: Machine,
): Promise<ReportCard> {
  const startedMs = performance.now();
  const loops = options.loops ?? 8;
  const kind =
    options.nic === undefined
      ? simulatedTarget(module.HardwareIds)
      : realTarget(machine, options.nic, module.HardwareIds);
  const session = new Session(module, kind);
  try {
    const exercises = EXERCISES.filter((one) => kind.simulated || one.simulatedOnly !== true);
    const total = loops * (exercises.length + 1);
    let done = 0;
    for (let loop = 0; loop < loops; loop++) {
      for (const exercise of exercises) {
        for (const grant of GRANTS) await session.run(exercise, grant.name, grant.options);
        options.progress?.(++done, total, exercise.name);
      }
      await session.runFaults();
      options.progress?.(++done, total, FAULTS);
    }
    return session.card(name, loops, performance.now() - startedMs);
  } finally {
    kind.close();
  }
}

class Session {
  readonly #module: MiniportModule;
  readonly #kind: TargetKind;
  readonly #tallies = new Map<string, Tally>();
  readonly #findings = new Map<string, { violation: Violation; count: number; exercises: Set<string> }>();
  readonly #notes = new Set<string>();

  constructor(module: MiniportModule, kind: TargetKind) {
    this.#module = module;
    this.#kind = kind;
  }

  /** One exercise with one kind of grant. */
  async run(exercise: Exercise, grant: string, options: Partial<AdapterOptions>): Promise<void> {
    const target = this.#kind.open();
    try {
      const kind = options.interrupts;
      if (kind !== undefined && target.pci.interruptCounts[kind] === 0) return;
      const bench = await this.#bench(target, target.pci, options);
      const tally = this.#tally(exercise.name);
      try {
        await exercise.run(bench);
        this.#expectTidy(target, exercise.name !== 'shutdown');
      } catch (error) {
        this.#fail(tally, grant, error);
        await this.#bringDown(target, bench.adapter);
      }
      this.#collect(bench, exercise.name, tally);
    } finally {
      target.end();
    }
  }

  /** Each resource call of an initialization and a restart fails in turn. */
  async runFaults(): Promise<void> {
    const tally = this.#tally(FAULTS);
    tally.runs--;
    for (let failAt = 1, last = FAULTS_MAX; failAt <= last; failAt++) {
      const target = this.#kind.open();
      try {
        const pci = new FaultFunction(target.pci);
        pci.arm(failAt);
        const bench = await this.#bench(target, pci, {});
        const { adapter } = bench;
        try {
          await target.run(adapter.initialize());
          await target.run(adapter.restart());
          await target.run(adapter.pause());
          await target.run(adapter.halt());
        } catch {
          // Failing is right; how it fails is what counts.
          await this.#bringDown(target, adapter);
        }
        if (pci.failed === null) last = 0;
        else tally.runs++;
        try {
          if (adapter.state !== 'Halted') throw new Error(`the adapter is ${adapter.state}`);
          this.#expectTidy(target, true);
        } catch (error) {
          this.#fail(tally, ` when call ${failAt}, ${pci.failed?.call ?? 'none'}, fails`, error);
        }
        this.#collect(bench, FAULTS, tally);
      } finally {
        target.end();
      }
    }
  }

  async #bench(target: Target, pci: Target['pci'], options: Partial<AdapterOptions>): Promise<Bench> {
    const driver = await loadDriver(this.#module);
    const adapter = driver.createAdapter(pci, {
      clock: target.clock,
      verifier: 'report' satisfies VerifierMode,
      ...options,
    });
    // Faults are read off the adapter; without a listener each would be a process warning.
    adapter.onFault(() => {});
    return { target, adapter, protocol: new Protocol(adapter), notes: [] };
  }

  #tally(name: string): Tally {
    const tally = this.#tallies.get(name) ?? { runs: 0, failures: 0, firstFailure: null, violations: 0 };
    this.#tallies.set(name, tally);
    tally.runs++;
    return tally;
  }

  #fail(tally: Tally, where: string, error: unknown): void {
    tally.failures++;
    tally.firstFailure ??= `${error instanceof Error ? error.message : String(error)}${where === '' ? '' : ` (${where.trim()})`}`;
  }

  #expectTidy(target: Target, complete: boolean): void {
    const faults = target.faults().filter((one) => complete || !one.startsWith('not given back'));
    if (faults[0] !== undefined)
      throw new Error(`${faults[0]}${faults.length > 1 ? ` and ${faults.length - 1} more` : ''}`);
  }

  /** Whatever state it is in. */
  async #bringDown(target: Target, adapter: Adapter): Promise<void> {
    try {
      if (adapter.state === 'Running') await target.run(adapter.pause());
      if (adapter.state === 'Paused') await target.run(adapter.halt());
    } catch {
      // The failure that led here is the one to report.
    }
  }

  #collect(bench: Bench, exercise: string, tally: Tally): void {
    for (const note of bench.notes) this.#notes.add(note);
    for (const violation of bench.adapter.violations) {
      if (violation.severity !== 'advice') tally.violations++;
      const key = `${violation.rule} ${violation.callback ?? ''} ${violation.stack[0] ?? ''}`;
      const found = this.#findings.get(key) ?? { violation, count: 0, exercises: new Set<string>() };
      found.count++;
      found.exercises.add(exercise);
      this.#findings.set(key, found);
    }
  }

  card(miniport: string, loops: number, elapsedMs: number): ReportCard {
    const summaries = new Map(EXERCISES.map((one) => [one.name, one.summary]));
    const exercises = [...this.#tallies].map(([name, tally]) => ({
      name,
      summary:
        summaries.get(name) ?? 'each resource call fails in turn: memory, mappings, vectors, configuration space',
      ...tally,
    }));
    const weight = { error: 0, warning: 1, advice: 2 } as const;
    const findings = [...this.#findings.values()]
      .map((one) => ({ ...one, exercises: [...one.exercises] }))
      .sort((a, b) => weight[a.violation.severity] - weight[b.violation.severity]);
    const bad = findings.filter((one) => one.violation.severity !== 'advice');
    return {
      miniport,
      target: this.#kind.name,
      loops,
      exercises,
      findings,
      notes: [...this.#notes],
      rules: {
        watched: RULES.filter((rule) => rule.applicable).length,
        broken: new Set(bad.map((one) => one.violation.rule)).size,
        notApplicable: RULES.filter((rule) => !rule.applicable).length,
      },
      elapsedMs: Math.round(elapsedMs),
      clean: bad.length === 0 && exercises.every((one) => one.failures === 0),
    };
  }
}
