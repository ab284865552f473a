import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { FlowNode } from './quick-start.js';
import { env, quickStart } from './quick-start.js';

const TAB = 'meterseal-demo';
const [UI, THEME, PAGE, GROUP] = ['ui', 'theme', 'page', 'group'].map((name) => `${TAB}-${name}`);
/** Widgets of the page, in their order, by the file that has each one's template. */
const WIDGETS = ['verdict', 'isolation', 'meters', 'history'];
/** Path of the page below the address of Node-RED. */
export const PAGE_PATH = '/dashboard/meters';

/**
 * The demo's flow: the quick start of the package's examples with the demo's box filled in, and a page that shows what comes
 * out of it.
 *
 * @param names of the meters by ID, in the order in which the page has them
 */
export function pageFlow(names: Readonly<Record<string, string>>): FlowNode[] {
  const { nodes, link } = quickStart(
    { id: id('out'), others: [id('in')] },
    { id: id('asked'), others: [id('compare'), id('pressed')] },
  );
  return [...nodes, ...configNodes(), ...pageNodes(names, link)];
}

function configNodes(): FlowNode[] {
  return [
    { id: TAB, type: 'tab', label: 'Page', disabled: false, info: '', env: [] },
    {
      id: UI!,
      type: 'ui-base',
      name: 'meterseal',
      path: '/dashboard',
      appIcon: '',
      includeClientData: false,
      acceptsClientConfig: [],
      showPathInSidebar: false,
      headerContent: 'page',
      navigationStyle: 'none',
      titleBarStyle: 'hidden',
      showReconnectNotification: true,
      notificationDisplayTime: 1,
      showDisconnectNotification: true,
      allowInstall: false,
    },
    {
      id: THEME!,
      type: 'ui-theme',
      name: 'meterseal',
      colors: {
        surface: '#ffffff',
        primary: '#0b5c6b',
        bgPage: '#f4f5f2',
        groupBg: '#ffffff',
        groupOutline: '#ffffff',
      },
      sizes: {
        density: 'default',
        pagePadding: '20px',
        groupGap: '20px',
        groupBorderRadius: '0px',
        widgetGap: '20px',
      },
    },
    {
      id: PAGE!,
      type: 'ui-page',
      name: 'meterseal',
      ui: UI,
      path: PAGE_PATH.replace('/dashboard', ''),
      icon: 'home',
      layout: 'notebook',
      theme: THEME,
      breakpoints: [{ name: 'Default', px: '0', cols: '12' }],
      order: 1,
      className: '',
      visible: 'true',
      disabled: 'false',
    },
    {
      id: GROUP!,
      type: 'ui-group',
      name: 'meters',
      page: PAGE,
      width: '12',
      height: '1',
      order: 1,
      showTitle: false,
      className: 'ms-group',
      visible: 'true',
      disabled: 'false',
      groupType: 'default',
    },
  ];
}

function pageNodes(names: Readonly<Record<string, string>>, link: string): FlowNode[] {
  return [
    comment('about', 'What comes out of the quick start is shown on the page', 240, 40),
    onTab('in', 'link in', 75, 100, [[id('knowledge')]], {
      name: 'line',
      links: ['out', 'known', 'compare', 'pressed'].map(id),
    }),
    inject('start', 'at the start', { once: true, onceDelay: '0.5', repeat: '' }, 130, 160, [
      id('knowledge'),
      id('replay'),
    ]),
    onTab('replay', 'meterseal-replay', 270, 220, [[id('knowledge')]], {
      name: 'the last minutes',
      link,
      meter: '',
      last: '300',
      most: '1000',
    }),
    inject('minute', 'every minute', { once: true, onceDelay: '5', repeat: '60' }, 140, 280, [id('compare')]),
    linkOut('compare', 'compare', 275, 280, ['asked', 'in']),
    onTab('knowledge', 'function', 430, 160, [WIDGETS.map(id)], {
      name: 'what the page knows',
      func: knowledgeCode(names),
      outputs: 1,
      timeout: 0,
      noerr: 0,
      initialize: '',
      finalize: '',
      libs: [],
    }),
    template('style', 'style.css', 690, 40, []),
    ...WIDGETS.map((name, i) =>
      template(name, `${name}.vue`, 690, 100 + 40 * i, i === 0 ? [id('button')] : []),
    ),
    onTab('button', 'switch', 890, 100, [[id('pressed')], [id('tamper')], [id('restore')]], {
      name: 'which button?',
      property: 'topic',
      propertyType: 'msg',
      rules: ['compare', 'tamper', 'restore'].map((v) => ({ t: 'eq', v, vt: 'str' })),
      checkall: 'false',
      repair: false,
      outputs: 3,
    }),
    linkOut('pressed', 'compare', 1035, 60, ['asked', 'in']),
    linkOut('tamper', 'tamper', 1035, 100, ['insiding']),
    linkOut('restore', 'restore', 1035, 140, ['insiding']),
    comment('insider-about', 'The insider: a command that writes to the files of the collector', 270, 340),
    inject('show', 'at the start', { once: true, onceDelay: '0.5', repeat: '' }, 130, 400, [id('insider')]),
    onTab('insiding', 'link in', 75, 440, [[id('word')]], {
      name: 'insider',
      links: [id('tamper'), id('restore')],
    }),
    change('word', 'what to do', 190, 440, ['payload', 'topic', 'msg'], 'insider'),
    onTab('insider', 'exec', 410, 420, [[id('json')], [id('failed')], []], {
      name: 'insider',
      command: env('METERSEAL_INSIDER'),
      addpay: 'payload',
      append: '',
      useSpawn: 'false',
      timer: '30',
      winHide: false,
      oldrc: false,
    }),
    onTab('json', 'json', 570, 400, [[id('done')]], {
      name: '',
      property: 'payload',
      action: 'obj',
      pretty: false,
    }),
    change('done', 'insider', 710, 400, ['topic', 'insider', 'str'], 'known'),
    change('failed', 'failed', 570, 440, ['topic', 'insider-failed', 'str'], 'known'),
    linkOut('known', 'page', 855, 420, ['in']),
  ];
}

function id(name: string): string {
  return `${TAB}-${name}`;
}

function onTab(
  name: string,
  type: string,
  x: number,
  y: number,
  wires: readonly (readonly string[])[],
  properties: Readonly<Record<string, unknown>>,
): FlowNode {
  return { id: id(name), type, z: TAB, ...properties, x, y, wires };
}

function linkOut(name: string, label: string, x: number, y: number, to: readonly string[]): FlowNode {
  return onTab(name, 'link out', x, y, [], { name: label, mode: 'link', links: to.map(id) });
}

function comment(name: string, text: string, x: number, y: number): FlowNode {
  return onTab(name, 'comment', x, y, [], { name: text, info: '' });
}

function inject(
  name: string,
  label: string,
  when: { once: boolean; onceDelay: string; repeat: string },
  x: number,
  y: number,
  to: readonly string[],
): FlowNode {
  const topic = name === 'minute' ? 'compare' : name;
  return onTab(name, 'inject', x, y, [to], {
    name: label,
    props: [{ p: 'payload' }, { p: 'topic', vt: 'str' }],
    crontab: '',
    ...when,
    topic,
    payload: topic,
    payloadType: 'str',
  });
}

function change(
  name: string,
  label: string,
  x: number,
  y: number,
  [property, to, tot]: readonly [string, string, string],
  next: string,
): FlowNode {
  return onTab(name, 'change', x, y, [[id(next)]], {
    name: label,
    rules: [{ t: 'set', p: property, pt: 'msg', to, tot }],
    action: '',
    property: '',
    from: '',
    to: '',
    reg: false,
  });
}

/** A widget by its template, or the style of the whole page. */
function template(name: string, file: string, x: number, y: number, next: readonly string[]): FlowNode {
  const isStyle = file.endsWith('.css');
  return onTab(name, 'ui-template', x, y, [next], {
    group: isStyle ? '' : GROUP,
    page: isStyle ? PAGE : '',
    ui: '',
    name,
    order: WIDGETS.indexOf(name) + 1,
    width: '0',
    height: '0',
    head: '',
    format: readFileSync(source(file), 'utf8'),
    storeOutMessages: true,
    passthru: false,
    resendOnRefresh: true,
    templateScope: isStyle ? 'page:style' : 'local',
    className: isStyle ? '' : `ms-${name}`,
  });
}

/** Of the function node: the page's logic as it is tested, and what it is called with. */
function knowledgeCode(names: Readonly<Record<string, string>>): string {
  const logic = readFileSync(fileURLToPath(new URL('./page-state.js', import.meta.url)), 'utf8')
    .replace(/^export /gm, '')
    .replace(/^\/\/# sourceMappingURL=.*\n?/m, '');
  return `${logic}
const before = context.get('page') ?? EMPTY_PAGE;
const page = nextPage(before, msg, ${JSON.stringify(names)});
if (page === before) return null;
context.set('page', page);
return { payload: page };
`;
}

/** Templates are not compiled: they stand beside the source. */
function source(file: string): string {
  return fileURLToPath(new URL(`../../../../src/commands/demo/page/${file}`, import.meta.url));
}
