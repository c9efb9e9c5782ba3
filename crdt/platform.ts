/**
 * @module
 * Owns the clock of the platform, which browsers, workers and Node have alike. The only file of this folder that reaches for it; nothing uses
 * it unless a page leaves its own out.
 */
export const platformNow = (): number => Date.now();
