/**
 * @module
 * The public surface of `atolldb`: run a whole node inside a program, or read a node's configuration.
 *
 * @public
 */
export { openNode } from './node.ts';
export type { AtollNode } from './node.ts';
export { environmentName, resolveConfig } from './config.ts';
export { OPTIONS } from './option.ts';
export type { NodeOptions, OptionDefinition } from './option.ts';
export type { ConfigSources, OpenOptions } from './config.ts';
export { ConfigError } from './errors.ts';
export type { ConfigErrorCode } from './errors.ts';
export type { ListenAddress } from './listen-address.ts';
export { createLog } from './log.ts';
export type { LogLevel } from './log.ts';
export { RocksDbStore } from './storage/rocksdb-store.ts';
export type { RocksDbOptions } from './storage/rocksdb-store.ts';
export { createWebSocketChannel, createWebSocketDialer } from '../sync/transport/websocket.ts';
export type { WebSocketDialerOptions } from '../sync/transport/websocket.ts';
export type * from './api/index.ts';
