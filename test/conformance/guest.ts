/**
 * Host side of a run in the lab's guest: boots two NICs of one model on a hub, starts the suite there with `--lab`, plugs
 * the cable when it asks, and passes its results on. Layer: test.
 * Invariant: a guest that ends early fails every row it has not answered for, with its last words.
 */
import type { Guest } from '../../scripts/lab/lab.mjs';
import type { Row } from './row.ts';
import type { Result } from './run.ts';
import type { Chip } from './target.ts';

/** The lab is plain JavaScript that stays where it is: seen from dist/test/conformance. */
const LAB = new URL('../../../scripts/lab/lab.mjs', import.meta.url).href;

const NICS = ['0000:01:00.0', '0000:02:00.0'] as const;
/** For the whole list at scale 1; more for more. */
const TIMEOUT_SECONDS = 1800;
/** Longer than any row takes, its clean-up included: a guest that says nothing for so long is stuck. */
const SILENCE_MS = 300_000;
/** Lines of the guest's other output to show when it fails. */
const LAST_WORDS = 8;

export interface GuestRunOptions {
  readonly only: readonly string[];
  readonly scale: number;
  readonly verify: boolean;
}

/** A function that runs the list on one chip in a guest of its own. */
export function createGuestRunner({ only, scale, verify }: GuestRunOptions) {
  return async (chip: Chip, rows: readonly Row[], report: (result: Result) => void): Promise<void> => {
    const answered = new Set<string>();
    const words: string[] = [];
    const from = performance.now();
    let rest = '';
    const [nic, support] = NICS;
    const suite = [
      'exec "$0" dist/test/conformance/main.js --lab',
      `--nic ${nic} --support ${support} --scale ${scale}${verify ? ' --verify' : ''}`,
      ...only.map((name) => `--only '${name.replaceAll("'", '')}'`),
    ].join(' ');
    const bind = NICS.map((bdf) => `bash scripts/bind-vfio.sh --force ${bdf} >&2`).join(' && ');
    let guest: Guest | undefined;
    let silence: NodeJS.Timeout | undefined;
    const listen = (): void => {
      clearTimeout(silence);
      silence = setTimeout(() => {
        words.push(`no verdict for ${SILENCE_MS / 1000} s`, ...(guest?.console() ?? []).slice(-3));
        void guest?.stop();
      }, SILENCE_MS * Math.max(1, scale));
    };
    const onLine = (line: string): void => {
      if (line.startsWith('@result ')) {
        listen();
        const result = JSON.parse(line.slice(8)) as Result;
        answered.add(result.name);
        report({ ...result, target: 'guest' });
      } else if (line.startsWith('@cable ')) {
        const up = line === '@cable up';
        const { netdev } = guest!.nics[0]!;
        void guest!.qmp('set_link', { name: netdev, up }).then(() => guest!.write('done\n'));
      } else if (line !== '') words.push(line);
    };
    try {
      const { bootLab } = (await import(LAB)) as typeof import('../../scripts/lab/lab.mjs');
      guest = await bootLab({
        nics: [
          { model: chip, wire: 'hub' },
          { model: chip, wire: 'hub' },
        ],
        command: ['/bin/bash', '-c', `${bind} && ${suite}`, process.execPath],
        timeoutSeconds: Math.ceil(TIMEOUT_SECONDS * Math.max(1, scale)),
        onOutput: (chunk, stream) => {
          const text = chunk.toString();
          if (stream === 'stderr') {
            words.push(...text.split('\n').filter((line) => line !== ''));
            return;
          }
          const lines = (rest + text).split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) onLine(line);
        },
      });
      listen();
      const { status } = await guest.exited;
      if (status > 1) words.push(`the guest's suite ended with status ${status}`);
    } catch (error) {
      words.push((error as Error).message);
    } finally {
      clearTimeout(silence);
    }
    for (const row of rows) {
      if (answered.has(row.name)) continue;
      report({
        name: row.name,
        checks: row.checks,
        chip,
        target: 'guest',
        verdict: 'fail',
        durationMs: Math.round(performance.now() - from),
        evidence: ['the guest gave no verdict', ...words.slice(-LAST_WORDS)],
      });
    }
  };
}
