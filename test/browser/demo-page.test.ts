import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from 'meterseal/internal/commands/demo/demo-box';
import type { Locator, Page } from 'playwright-core';
import type { Test } from 'tap';
import t from 'tap';
import { assertRefused, meterseal } from '../command-line.js';
import { METERS } from '../scenarios/line.js';
import { NpmStart, RunningCommand } from '../scenarios/running-command.js';
import { noBrowser, openBrowser, PATIENCE_MS } from './chromium.js';
import { invalidNodes, openEditor } from './node-editor.js';

t.setTimeout(8 * PATIENCE_MS);

/** METERSEAL_PICTURES=1 takes the pictures of docs/images anew; else they are looked at by nobody. */
const PICTURES = process.env['METERSEAL_PICTURES'];
const DOCS = fileURLToPath(new URL('../../../docs/images', import.meta.url));

/** Under npm test everything is set up, and npm start installs nothing in the middle of a test. */
const IS_SET_UP = process.env['METERSEAL_SET_UP'] !== undefined;

const DESKTOP = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

t.test(
  'the page shows the line, and a comparison names exactly the reading that was changed',
  {
    skip: noBrowser,
  },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'ms-page-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const state = join(folder, 'state');
    const policy = (): string => readFileSync(join(state, 'policy'), 'utf8');
    const open = await openBrowser(t);
    let stored = 0;
    let first = '';

    await runDemo(t, ['--state', state], async (url) => {
      const { page, complaints, outside } = await open(DESKTOP);
      await page.goto(url);
      for (const id of METERS) {
        const meter = page.locator('.ms-m', { hasText: id });
        await meter.locator('.ms-m-line').waitFor();
        t.match(await text(meter.locator('.ms-m-power')), /^-?[\d,]+ W$/, `${id}: power`);
        t.match(await text(meter.locator('.ms-m-energy')), /^[\d,]+\.\d+ kWh$/, `${id}: energy`);
      }
      await shows(page, 'good', 'Nothing was changed');
      await page.locator('.ms-pill', { hasText: 'isolated' }).waitFor();

      // The reading that is changed lies some way back, and a picture wants a curve.
      const enough = PICTURES === undefined ? /no\. ([6-9]|\d\d)/ : /no\. [89]\d/;
      const number = page.locator('.ms-m-id', { hasText: enough }).first();
      await number.waitFor({ timeout: 4 * PATIENCE_MS });
      await compare(page);
      await shows(page, 'good', 'Nothing was changed');

      const changed = await tamper(t, page);
      await compare(page);
      await shows(page, 'bad', 'One reading was changed');
      t.equal(await page.locator('.ms-finding').count(), 1, 'exactly one');
      t.match(await text(page.locator('.ms-finding')), changed, 'that very reading');
      t.match(await text(page.locator('.ms-finding')), 'was changed after the meter gave it');
      t.equal(await page.locator('.ms-m-mark').count(), 1, 'it is marked in the curve of its meter');
      await takePictures(t, open, url, folder, PICTURES === undefined ? folder : DOCS);

      await button(page, 'Restore').click();
      await page.locator('button:enabled', { hasText: 'Tamper' }).waitFor();
      await compare(page);
      await shows(page, 'good', 'Nothing was changed');
      stored = await verified(page);
      await checkFlow(t, open, new URL('/', url).href);
      await checkNames(t, url);
      t.strictSame(complaints, [], 'no error in the console');
      t.strictSame(outside, [], 'no request to another host');
      first = policy();
      await tamper(t, page);
      await page.context().close();
    });

    await runDemo(t, ['--state', state], async (url) => {
      const { page } = await open(DESKTOP);
      await page.goto(url);
      await shows(page, 'bad', 'One reading was changed');
      t.equal(await page.locator('.ms-finding').count(), 1, 'what was changed is found after a second start');
      t.ok((await verified(page)) + 1 >= stored, 'and nothing else: the second start goes on');
      t.equal(policy(), first, 'under the same key');
      await page.context().close();
    });

    await runDemo(
      t,
      ['--state', state, '--fresh'],
      async (url) => {
        const { page } = await open(PHONE);
        await page.goto(url);
        await shows(page, 'good', 'Nothing was changed');
        t.equal(await page.locator('.ms-h-row').count(), 1, 'fresh: begins anew');
        t.not(policy(), first, 'with another key');
      },
      IS_SET_UP,
    );
  },
);

t.test('a port that is taken is an error with a hint, before anything is started', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ms-port-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  t.teardown(() => other.close());
  const { port } = other.address() as { port: number };
  const ran = await meterseal('demo', '--state', join(folder, 'state'), '--port', String(port));
  assertRefused(t, ran, 16, 'address-in-use', new RegExp(`port ${port} .* is taken`));
  t.match(ran.stderr, `--port ${port + 1}`);
});

/** Starts the demo, by `npm start` if so wanted, and ends it by Ctrl-C when `work` is through. */
async function runDemo(
  t: Test,
  args: readonly string[],
  work: (url: string) => Promise<void>,
  byNpm = false,
): Promise<void> {
  const port = String(await freePort());
  const demo = byNpm
    ? new NpmStart(t, '--port', port, ...args)
    : new RunningCommand(t, 'demo', '--port', port, ...args);
  const [, url] = await demo.shows(/page +(http:\S+)/);
  await demo.shows(/Node-RED +http:\S+\//);
  try {
    await work(url!);
  } catch (error) {
    t.comment(readFileSync(join(args[1]!, 'logs', 'node-red.log'), 'utf8'));
    throw error;
  }
  // What npm start runs leaves Ctrl-C to the demo, which has it from the terminal.
  demo.signal(byNpm ? 'SIGTERM' : 'SIGINT');
  t.equal(await demo.end(), 0, demo.output);
  t.strictSame(demo.processes(), [], 'Ctrl-C ends everything');
}

/** The page at two sizes, light and dark; the docs have it as it is on a desk. */
async function takePictures(
  t: Test,
  open: Awaited<ReturnType<typeof openBrowser>>,
  url: string,
  tmp: string,
  docs: string,
): Promise<void> {
  mkdirSync(docs, { recursive: true });
  for (const [name, look] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
    for (const colorScheme of ['light', 'dark'] as const) {
      const { page } = await open({ ...look, colorScheme });
      await page.goto(url);
      await page.locator('.ms-finding').waitFor();
      await page.locator('.ms-m-line').first().waitFor();
      const overhang = 'document.documentElement.scrollWidth - window.innerWidth';
      t.ok((await page.evaluate<number>(overhang)) <= 0, `${name}: nothing is wider than the screen`);
      const ground = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
      const brightness = Math.max(...(ground.match(/\d+/g) ?? []).map(Number));
      t.equal(brightness < 128, colorScheme === 'dark', `${colorScheme}: ${ground}`);
      const path = join(name === 'phone' ? tmp : docs, `demo-${name}-${colorScheme}.png`);
      await page.screenshot({ path, fullPage: true });
      await page.context().close();
    }
  }
}

/** Who comes by another name comes from a page of another site, whatever that name leads to. */
async function checkNames(t: Test, url: string): Promise<void> {
  const { port } = new URL(url);
  for (const path of ['/', '/flows', '/dashboard/meters']) {
    t.equal(await statusOf(port, path, `localhost:${port}`), 200, `${path} by the name localhost`);
    t.equal(await statusOf(port, path, 'example.com'), 403, `${path} by another name`);
  }
}

function statusOf(port: string, path: string, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asked = get({ host: '127.0.0.1', port, path, headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    asked.once('error', reject);
  });
}

/** The editor, at the second of the two addresses. */
async function checkFlow(t: Test, open: Awaited<ReturnType<typeof openBrowser>>, url: string): Promise<void> {
  const { page, complaints, outside } = await open(DESKTOP);
  await openEditor(page, url);
  t.strictSame(await invalidNodes(page), [], 'the flow has no invalid node');
  t.strictSame(complaints, [], 'no error in the console of the editor');
  t.strictSame(outside, [], 'no request of the editor to another host');
  await page.context().close();
}

function button(page: Page, name: string): Locator {
  return page.getByRole('button', { name });
}

async function text(locator: Locator): Promise<string> {
  return ((await locator.textContent()) ?? '').replace(/\s+/g, ' ').trim();
}

/** Resolves when the page says so, in this tone. */
async function shows(page: Page, tone: 'good' | 'bad', words: string): Promise<void> {
  await page.locator(`.ms-is-${tone} .ms-v-title`, { hasText: words }).waitFor();
}

/** Presses "Compare now" and waits for the comparison that comes of it. */
async function compare(page: Page): Promise<void> {
  const before = await page.locator('.ms-h-row').first().getAttribute('data-at');
  await button(page, 'Compare now').click();
  await page.locator(`.ms-h-row:first-child:not([data-at="${before}"])`).waitFor();
}

/** Presses "Tamper": nobody knows before a comparison. @returns how the page calls the reading that was changed */
async function tamper(t: Test, page: Page): Promise<RegExp> {
  const latest = (): Promise<string | null> => page.locator('.ms-h-row').first().getAttribute('data-at');
  const before = await latest();
  await button(page, 'Tamper').click();
  const said = page.locator('.ms-v .ms-note', { hasText: 'in place of' });
  const [, seq, meter] = /reading no\. (\S+) of (\S+) says/.exec(await text(said))!;
  const title = await text(page.locator('.ms-v-title'));
  // One comes every minute, and may have come just now.
  if ((await latest()) === before) t.equal(title, 'Nothing was changed', 'isolated: nobody has noticed yet');
  return new RegExp(`^${meter}, reading no\\. ${seq} of `);
}

async function verified(page: Page): Promise<number> {
  const [, count] = /([\d,]+) stored readings are exactly/.exec(await text(page.locator('.ms-v-text')))!;
  return Number(count!.replaceAll(',', ''));
}
