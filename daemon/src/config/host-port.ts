import { MetersealError } from '@meterseal/protocol';

export type HostPort = { readonly host: string; readonly port: number };

/**
 * `HOST:PORT`, an IPv6 address in brackets. Port 0 stands for any free one.
 *
 * @param what how messages call it: "couldn't read <what>"
 * @throws MetersealError `bad-config`
 */
export function parseHostPort(text: string, what: string): HostPort {
  const match = /^(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9.-]{1,253})):([0-9]{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw new MetersealError(
      'bad-config',
      `couldn't read ${what}: ${JSON.stringify(text)} is not HOST:PORT`,
      {
        hint: 'For example 127.0.0.1:7411, or [::1]:7411.',
      },
    );
  }
  return { host: match[1] ?? match[2]!, port };
}
