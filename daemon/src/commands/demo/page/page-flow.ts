import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A node of a flow, as Node-RED's flow files have it. */
export type FlowNode = {
  readonly id: string;
  readonly type: string;
  readonly [property: string]: unknown;
};

/**
 * Environment variables of Node-RED by which the flow knows what differs from start to start. Nodes name them as `${NAME}`,
 * so that a flow which somebody has changed in the editor goes on working.
 */
export type FlowEnvironment = {
  readonly METERSEAL_PLATFORM_ID: string;
  /** The box's trust policy. */
  readonly METERSEAL_POLICY: string;
  /** The collector's folder. */
  readonly METERSEAL_COLLECTOR: string;
  readonly METERSEAL_CONTROL_PORT: string;
  readonly METERSEAL_COLLECTOR_PORT: string;
  /** What the field sends as bearer token. */
  readonly METERSEAL_TOKEN: string;
  /** A shell command, to which the flow appends what the insider is to do. */
  readonly METERSEAL_INSIDER: string;
};

const TAB = 'meterseal-demo';
const LINK = 'meterseal-demo-link';
const PLATFORM = 'meterseal-demo-platform';
const [UI, THEME, PAGE, GROUP] = ['ui', 'theme', 'page', 'group'].map((name) => `meterseal-demo-${name}`);
/** Widgets of the page, in their order, by the file that has each one's template. */
const WIDGETS = ['verdict', 'isolation', 'meters', 'history'];
/** Path of the page below the address of Node-RED. */
export const PAGE_PATH = '/dashboard/meters';

const env = (name: keyof FlowEnvironment): string => `\${${name}}`;

/**
 * The demo's flow: readings come in and are verified, and a dashboard page shows what is known of them.
 *
 * @param names of the meters by ID, in the order in which the page has them
 */
export function pageFlow(names: Readonly<Record<string, string>>): FlowNode[] {
  return [...configNodes(), ...lineNodes(), ...pageNodes(names)];
}

function configNodes(): FlowNode[] {
  return [
    { id: TAB, type: 'tab', label: 'meterseal', disabled: false, info: '', env: [] },
    {
      id: PLATFORM,
      type: 'meterseal-platform',
      name: 'the box of the demo',
      platformId: env('METERSEAL_PLATFORM_ID'),
      policyFrom: 'file',
      policy: '',
      policyFile: env('METERSEAL_POLICY'),
    },
    {
      id: LINK,
      type: 'meterseal-link',
      name: 'collector',
      platform: PLATFORM,
      dir: env('METERSEAL_COLLECTOR'),
      controlHost: '127.0.0.1',
      controlPort: env('METERSEAL_CONTROL_PORT'),
      maxWindow: '30',
      anchoringDelay: '3600',
      witness: true,
    },
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

/** Collector, switch and verify; what comes out of them goes to the page. */
function lineNodes(): FlowNode[] {
  return [
    comment('about', 'Readings come in, and are compared with the chain every minute', 140, 40),
    onTab('collector', 'meterseal-collector', 130, 100, [[id('knowledge')]], {
      name: 'readings',
      link: LINK,
      host: '127.0.0.1',
      port: env('METERSEAL_COLLECTOR_PORT'),
      tls: '',
      clientCertificates: false,
      quietAfter: '30',
      credentials: { token: env('METERSEAL_TOKEN') },
    }),
    inject(
      'start',
      'at the start',
      'isolate',
      { once: true, onceDelay: '0.5', repeat: '' },
      140,
      160,
      'switch',
    ),
    onTab('switch', 'meterseal-switch', 370, 160, [[id('knowledge')], [id('knowledge')]], {
      name: 'isolation',
      link: LINK,
    }),
    inject(
      'minute',
      'every minute',
      'compare',
      { once: true, onceDelay: '5', repeat: '60' },
      140,
      220,
      'comparing',
    ),
    onTab('comparing', 'link out', 245, 220, [], { name: 'compare', mode: 'link', links: [id('compare')] }),
    onTab('compare', 'link in', 235, 280, [[id('knowledge'), id('verify')]], {
      name: 'compare',
      links: [id('comparing'), id('asked')],
    }),
    onTab('verify', 'meterseal-verify', 370, 280, [[id('knowledge')], [id('knowledge')], [id('knowledge')]], {
      name: 'verify',
      link: LINK,
      interval: '0',
      batch: '1000',
      patience: '120',
      most: '20000',
    }),
    inject(
      'refill',
      'at the start',
      'replay',
      { once: true, onceDelay: '0.5', repeat: '' },
      140,
      400,
      'replay',
    ),
    onTab('replay', 'meterseal-replay', 370, 400, [[id('knowledge')]], {
      name: 'the last minutes',
      link: LINK,
      meter: '',
      last: '300',
      most: '1000',
    }),
    onTab('catch', 'catch', 130, 340, [[id('knowledge')]], {
      name: 'what fails',
      scope: [id('verify')],
      uncaught: false,
    }),
  ];
}

function pageNodes(names: Readonly<Record<string, string>>): FlowNode[] {
  return [
    onTab('knowledge', 'function', 620, 220, [WIDGETS.map(id)], {
      name: 'what the page knows',
      func: knowledgeCode(names),
      outputs: 1,
      timeout: 0,
      noerr: 0,
      initialize: '',
      finalize: '',
      libs: [],
    }),
    template('style', 'style.css', 840, 100, []),
    ...WIDGETS.map((name, i) =>
      template(name, `${name}.vue`, 840, 160 + 60 * i, i === 0 ? [id('button')] : []),
    ),
    comment('buttons', 'Buttons of the page: compare, or play the insider', 180, 440),
    onTab('button', 'switch', 1010, 160, [[id('asked')], [id('tamper')], [id('restore')]], {
      name: 'which button?',
      property: 'topic',
      propertyType: 'msg',
      rules: ['compare', 'tamper', 'restore'].map((v) => ({ t: 'eq', v, vt: 'str' })),
      checkall: 'false',
      repair: false,
      outputs: 3,
    }),
    onTab('asked', 'link out', 1165, 140, [], { name: 'compare', mode: 'link', links: [id('compare')] }),
    ...['tamper', 'restore'].map((name, i) =>
      onTab(name, 'link out', 1165, 180 + 40 * i, [], { name, mode: 'link', links: [id('insiding')] }),
    ),
    inject('show', 'at the start', 'show', { once: true, onceDelay: '0.5', repeat: '' }, 140, 500, 'insider'),
    onTab('insiding', 'link in', 165, 560, [[id('words')]], {
      name: 'insider',
      links: [id('tamper'), id('restore')],
    }),
    change('words', 'do', 270, 560, 'payload', 'topic', 'msg', 'insider'),
    onTab('insider', 'exec', 430, 500, [[id('json')], [id('failed')], []], {
      name: 'an insider on the disk',
      command: env('METERSEAL_INSIDER'),
      addpay: 'payload',
      append: '',
      useSpawn: 'false',
      timer: '30',
      winHide: false,
      oldrc: false,
    }),
    onTab('json', 'json', 630, 480, [[id('done')]], {
      name: '',
      property: 'payload',
      action: 'obj',
      pretty: false,
    }),
    change('done', 'done', 770, 480, 'topic', 'insider', 'str', 'knowledge'),
    change('failed', 'failed', 640, 520, 'topic', 'insider-failed', 'str', 'knowledge'),
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

function comment(name: string, text: string, x: number, y: number): FlowNode {
  return onTab(name, 'comment', x, y, [], { name: text, info: '' });
}

function inject(
  name: string,
  label: string,
  word: string,
  when: { once: boolean; onceDelay: string; repeat: string },
  x: number,
  y: number,
  to: string,
): FlowNode {
  return onTab(name, 'inject', x, y, [[id(to)]], {
    name: label,
    props: [{ p: 'payload' }, { p: 'topic', vt: 'str' }],
    crontab: '',
    ...when,
    topic: word,
    payload: word,
    payloadType: 'str',
  });
}

function change(
  name: string,
  label: string,
  x: number,
  y: number,
  property: string,
  to: string,
  tot: string,
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
const page = nextPage(context.get('page') ?? EMPTY_PAGE, msg, ${JSON.stringify(names)});
context.set('page', page);
return { payload: page };
`;
}

/** Templates are not compiled: they stand beside the source. */
function source(file: string): string {
  return fileURLToPath(new URL(`../../../../src/commands/demo/page/${file}`, import.meta.url));
}
