import { readdirSync, readFileSync } from 'node:fs';

const ROOT = new URL('../../../', import.meta.url);
const UNITS = new URL('daemon/systemd/', ROOT);

export const UNITS_AND_TARGETS = readdirSync(UNITS).filter((name) => /\.(service|socket|target)$/.test(name));

/** What the page says of a place that a test has not, and what stands there in a test. */
const PLACES: readonly (readonly [string, string])[] = [
  ['rtu:///dev/serial/by-id/usb-FTDI_FT232R-if00-port0?baud=2400', 'tcp://127.0.0.1:5020'],
  ['interval: 15s', 'interval: 1s'],
  ['192.0.2.10:7411', '127.0.0.1:7411'],
  ['https://collector.example:7421', 'http://127.0.0.1:7421'],
  ['rtu:///dev/serial/by-id/usb-1a86_USB_Serial-if00-port0', 'tcp://127.0.0.1:5021'],
  ['198.51.100.1', '127.0.0.2'],
  // The one that the simulated board has.
  ['input: 2', 'input: 1'],
];

/**
 * The commands, or the configuration, of docs/install.md that are marked for a part, in their order.
 *
 * @param part second word behind the fence
 */
export function documented(part: 'box' | 'node-red' | 'relay'): string[] {
  const page = readFileSync(new URL('docs/install.md', ROOT), 'utf8');
  const blocks = [...page.matchAll(/^```\w+ (\S+)\n(.*?)^```$/gms)].filter(([, name]) => name === part);
  return blocks.map(([, , text]) =>
    PLACES.reduce((script, [there, here]) => script.replaceAll(there, here), text!),
  );
}

/** Places of the page that its commands do not name any more. */
export function stalePlaces(): string[] {
  const page = readFileSync(new URL('docs/install.md', ROOT), 'utf8');
  return PLACES.map(([there]) => there).filter((there) => !page.includes(there));
}
