import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { bundleNodes, installed, NodeRed, notInstalled } from '../nodes/running-node-red.js';
import { noBrowser, openBrowser } from './chromium.js';
import {
  cancelDialog,
  deploy,
  idsOf,
  importExample,
  invalidNodes,
  openDialog,
  openEditor,
  saveDialog,
} from './node-editor.js';

const EXAMPLES = readdirSync(fileURLToPath(new URL('../../../node-red-nodes/examples', import.meta.url)))
  .map((name) => name.replace(/\.json$/, ''))
  .sort();
const TYPES = ['platform', 'link', 'collector', 'switch', 'verify', 'replay'] as const;
/** What the editor says of each node in a language: its name in the palette, and a label of its dialog. */
const WORDS = {
  'en-US': { palette: 'isolation switch', label: 'Trust policy', help: 'Outputs' },
  de: { palette: 'Trennschalter', label: 'Vertrauensregel', help: 'Ausgaben' },
  'zh-CN': { palette: '隔离开关', label: '信任策略', help: '输出' },
} as const;

t.setTimeout(600_000);
bundleNodes();

for (const major of ['5', '4'] as const) {
  t.test(`the editor of Node-RED ${major}`, { skip: notInstalled(major) || noBrowser }, async (t) => {
    const red = await NodeRed.start(t, installed(major)!, t.testdir());
    const open = await openBrowser(t);
    const url = `http://127.0.0.1:${red.port}/`;

    await t.test('every example imports without an invalid node, and deploys', async (t) => {
      const { page, complaints, outside } = await open({ locale: 'en-US' });
      await openEditor(page, url);
      for (const example of EXAMPLES) {
        await importExample(page, example);
        t.same(await invalidNodes(page), [], example);
      }
      await deploy(page);
      await page.reload();
      await openEditor(page, url);
      t.same(await invalidNodes(page), [], 'nor is there one when the editor is opened again');
      await red.deploy([]);
      t.same(complaints, [], 'no word on the console');
      t.same(outside, [], 'no request to another host');
    });

    await t.test('every dialog opens, and keeps what was changed in it', async (t) => {
      const { page, complaints } = await open({ locale: 'en-US' });
      await openEditor(page, url);
      await importExample(page, 'quick-start');
      await importExample(page, 'receive');
      for (const type of TYPES) {
        const isConfig = type === 'platform' || type === 'link';
        const [id] = await idsOf(page, `meterseal-${type}`);
        const prefix = await openDialog(page, id!, isConfig);
        await page.fill(`#${prefix}-name`, `my ${type}`);
        await saveDialog(page, isConfig);
        await openDialog(page, id!, isConfig);
        t.equal(await page.inputValue(`#${prefix}-name`), `my ${type}`, type);
        await cancelDialog(page, isConfig);
      }
      t.same(await invalidNodes(page), []);
      t.same(complaints, [], 'no word on the console');
    });

    for (const [locale, words] of Object.entries(WORDS)) {
      await t.test(`the nodes speak ${locale}`, async (t) => {
        const { page, complaints } = await open({ locale });
        await openEditor(page, url);
        const label = page.locator('[data-palette-type="meterseal-switch"] .red-ui-palette-label');
        t.equal((await label.textContent())?.replace(/\s+/g, ' ').trim(), words.palette);
        await importExample(page, 'quick-start');
        const [platform] = await idsOf(page, 'meterseal-platform');
        await openDialog(page, platform!, true);
        const row = page.locator('label[for="node-config-input-policyFrom"]');
        t.match((await row.textContent())?.trim(), words.label);
        await cancelDialog(page, true);
        for (const type of TYPES) {
          const help = await page.locator(`script[data-help-name="meterseal-${type}"]`).innerHTML();
          if (type === 'collector') t.match(help, words.help);
          t.ok(help.length > 100, `help of ${type}`);
        }
        // biome-ignore lint/performance/useDomNodeTextContent: what people see, not what scripts hold
        const text = await page.locator('body').innerText();
        const missing = text.match(/meterseal-[a-z]+\.[a-zA-Z.]+/g);
        t.equal(missing, null, 'no key stands where a word belongs');
        t.same(complaints, []);
      });
    }
  });
}
