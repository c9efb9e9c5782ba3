/**
 * @module
 * Owns where the browser of the tests comes from: one that is here, or Debian's package, which root installs on the way.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const BROWSERS = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium'];
const INSTALL = ['apt-get', 'install', '-y', '--no-install-recommends', 'chromium-headless-shell'] as const;

/** Path of the executable. `ATOLL_TEST_CHROMIUM` names another one. @throws Error that says what to install */
export function findChromium(): string {
  return process.env['ATOLL_TEST_CHROMIUM'] ?? findInstalled() ?? installChromium();
}

function findInstalled(): string | undefined {
  return BROWSERS.find((path) => existsSync(path));
}

function installChromium(): string {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const [command, ...options] = INSTALL;
  let said = 'only root can install it';
  if (process.getuid?.() === 0) {
    const install = (): ReturnType<typeof spawnSync> => spawnSync(command, options, { env, encoding: 'utf8' });
    let result = install();
    // A fresh machine has no list of packages.
    if (result.status !== 0 && spawnSync('apt-get', ['update'], { env }).status === 0) result = install();
    said = String(result.error ?? result.stderr);
  }
  const path = findInstalled();
  if (path !== undefined) return path;
  throw new Error(`these tests need Chromium; install it with: ${INSTALL.join(' ')}\n${said}`);
}
