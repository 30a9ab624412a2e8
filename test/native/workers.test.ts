/** The addon in several threads at once. Layer: test. Rule: house.md, "State hangs on the environment". */
import { expect, it } from 'vitest';
import { runFixture } from './support.ts';

interface Result {
  readonly wakes: number[];
  readonly countsOfMain: number[];
  readonly fdsBefore: number;
  readonly fdsAfter: number;
}

it.each([
  ['close', 'closing what they opened'],
  ['leave', 'leaving it to the cleanup hook'],
  ['exit', 'leaving it and calling process.exit'],
])('four workers run 2,000 wake-ups each at the same time and end by %s (%s)', (scenario) => {
  const run = runFixture<Result>('workers', scenario);
  expect([run.status, run.signal, run.stderr]).toEqual([0, null, '']);
  expect(run.result?.wakes).toEqual([2000, 2000, 2000, 2000]);
  expect(run.result?.countsOfMain).toEqual([0, 0, 0, 0]);
  expect(run.result?.fdsAfter).toBe(run.result?.fdsBefore);
});

it('workers terminated in the middle of a storm of wake-ups, 5 rounds of four, leave no descriptor', () => {
  const run = runFixture<Result>('workers', 'terminate');
  expect([run.status, run.signal, run.stderr]).toEqual([0, null, '']);
  expect(run.result?.wakes.every((count) => count > 0)).toBe(true);
  expect(run.result?.fdsAfter).toBe(run.result?.fdsBefore);
});

it('the addon loaded by workers only outlives them', () => {
  const run = runFixture<Result>('workers', 'only-workers');
  expect([run.status, run.signal, run.stderr]).toEqual([0, null, '']);
  expect(run.result?.wakes).toEqual([2000, 2000, 2000, 2000]);
});
