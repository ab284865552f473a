import type { Locator, Page } from 'playwright-core';

/*
 * Node-RED's editor, by handles that are the same in 4.1 and 5.
 */

/** What the editor has put on the page for the whole of it. */
declare const RED: {
  actions: { invoke(name: string): void };
  nodes: {
    getType(type: string): unknown;
    eachNode(call: (node: EditorNode) => void): void;
    eachConfig(call: (node: EditorNode) => void): void;
    node(id: string): EditorNode | null;
    createCompleteNodeSet(): readonly unknown[];
    dirty(): boolean;
  };
  editor: { edit(node: EditorNode): void; editConfig(property: string, type: string, id: string): void };
};
type EditorNode = {
  id: string;
  type: string;
  valid: boolean;
  name: string;
  z?: string;
  validationErrors?: unknown;
};

/** How often, and for how long each time, a choice in a dialog is waited for. */
const TRIES = 10;
const PATIENCE_MS = 2_000;

/** Opens the editor; resolves when our nodes are in the palette. */
export async function openEditor(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.waitForFunction(() => typeof RED !== 'undefined' && !!RED.nodes?.getType('meterseal-verify'));
  await page.waitForSelector('.red-ui-palette-node[data-palette-type="meterseal-verify"]', {
    state: 'attached',
  });
  await page.waitForSelector('#red-ui-loading-progress', { state: 'hidden' });
  // A notice stands for seconds before the buttons of a dialog.
  await page.addStyleTag({ content: '#red-ui-notifications { display: none }' });
}

/** Imports one of our examples through the menu, as a person would. */
export async function importExample(page: Page, name: string): Promise<void> {
  const before = await page.evaluate(() => RED.nodes.createCompleteNodeSet().length);
  await page.evaluate(() => RED.actions.invoke('core:show-import-dialog'));
  await page.click('#red-ui-tab-red-ui-clipboard-dialog-import-tab-examples a');
  const labels = page.locator('#red-ui-clipboard-dialog .red-ui-treeList-label');
  const own = labels.filter({ hasText: '@meterseal/node-red-meterseal' });
  const example = labels.filter({ hasText: new RegExp(`^\\s*${name}\\s*$`) });
  const ready = page.locator('#red-ui-clipboard-dialog-ok:enabled');
  await own.click();
  await example.click();
  // The list is fetched and unfolds meanwhile: what was chosen may be forgotten, or the click have gone to its neighbour.
  for (let tries = 1; tries < TRIES && !(await appears(ready)); tries++) {
    if (!(await example.isVisible())) await own.click();
    await example.click();
  }
  await ready.click();
  await page.waitForSelector('#red-ui-clipboard-dialog', { state: 'hidden' });
  // The dialog goes at once; the example is fetched, and comes later.
  await page.waitForFunction((count) => RED.nodes.createCompleteNodeSet().length > count, before);
}

async function appears(what: Locator): Promise<boolean> {
  try {
    await what.waitFor({ state: 'visible', timeout: PATIENCE_MS });
    return true;
  } catch {
    return false;
  }
}

/** Nodes that the editor marks as not properly configured, as `type: properties`. */
export function invalidNodes(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const invalid: string[] = [];
    const look = (node: EditorNode): void => {
      if (!node.valid) invalid.push(`${node.type}: ${JSON.stringify(node.validationErrors ?? [])}`);
    };
    RED.nodes.eachNode(look);
    RED.nodes.eachConfig(look);
    return invalid;
  });
}

export async function deploy(page: Page): Promise<void> {
  await page.click('#red-ui-header-button-deploy');
  await page.waitForFunction(() => !RED.nodes.dirty());
}

/** IDs of all nodes of a type. */
export function idsOf(page: Page, type: string): Promise<string[]> {
  return page.evaluate((wanted) => {
    const ids: string[] = [];
    const look = (node: EditorNode): void => {
      if (node.type === wanted) ids.push(node.id);
    };
    RED.nodes.eachNode(look);
    RED.nodes.eachConfig(look);
    return ids;
  }, type);
}

/** Opens a node's dialog. @returns what its fields' ids begin with */
export async function openDialog(page: Page, id: string, isConfig: boolean): Promise<string> {
  await page.evaluate(
    ({ id, isConfig }) => {
      const node = RED.nodes.node(id)!;
      if (isConfig) RED.editor.editConfig('', node.type, id);
      else RED.editor.edit(node);
    },
    { id, isConfig },
  );
  const prefix = isConfig ? 'node-config-input' : 'node-input';
  await page.waitForSelector(`#${prefix}-name`, { state: 'visible' });
  return prefix;
}

export async function saveDialog(page: Page, isConfig: boolean): Promise<void> {
  await page.click(isConfig ? '#node-config-dialog-ok' : '#node-dialog-ok');
  await page.waitForSelector(`#${isConfig ? 'node-config-input' : 'node-input'}-name`, { state: 'detached' });
}

export async function cancelDialog(page: Page, isConfig: boolean): Promise<void> {
  await page.click(isConfig ? '#node-config-dialog-cancel' : '#node-dialog-cancel');
  await page.waitForSelector(`#${isConfig ? 'node-config-input' : 'node-input'}-name`, { state: 'detached' });
}
