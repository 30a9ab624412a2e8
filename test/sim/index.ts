/**
 * The tests' door to the simulation, which stands in src/sim because the package ships it. Layer: test.
 */
export * from '../../src/sim/index.ts';
