import { existsSync } from 'node:fs';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { chromium } from 'playwright-core';
import type { Test } from 'tap';

const EXECUTABLE = '/usr/bin/chromium';
/** For one condition, on a machine that is busy with other tests. */
export const PATIENCE_MS = 60_000;

/** No sandbox, because tests may run as root; nothing that asks hosts of its own accord. */
const ARGUMENTS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
];

/** Why there is no browser to test with; false where there is one. */
export const noBrowser: string | false = existsSync(EXECUTABLE) ? false : 'Chromium is not installed';

/** A page, and what it should not have done. */
export type WatchedPage = {
  readonly page: Page;
  /** Errors and warnings that it wrote to the console or did not catch. */
  readonly complaints: readonly string[];
  /** What it asked of other hosts than this machine. */
  readonly outside: readonly string[];
};

/** Opens pages of one browser, which ends with the test. */
export async function openBrowser(
  t: Test,
): Promise<(options?: BrowserContextOptions) => Promise<WatchedPage>> {
  const browser = await chromium.launch({ executablePath: EXECUTABLE, headless: true, args: ARGUMENTS });
  t.teardown(() => browser.close());
  return async (options = {}) => {
    const context = await browser.newContext(options);
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    const complaints: string[] = [];
    const outside: string[] = [];
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type()))
        complaints.push(`${message.type()}: ${message.text()}`);
    });
    page.on('request', (request) => {
      const { protocol, hostname } = new URL(request.url());
      const isInside = ['data:', 'blob:'].includes(protocol) || hostname === '127.0.0.1';
      if (!isInside) outside.push(request.url());
    });
    return { page, complaints, outside };
  };
}
