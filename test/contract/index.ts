/**
 * @module
 * Owns the public entry `atolldb/testing`: the contract suites that adapters of Atoll's ports must pass. Needs vitest.
 */
export { storeContract, type StoreFixture, type StoreSupports } from './store.ts';
export { transportContract, type TransportFixture } from './transport.ts';
