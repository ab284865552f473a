import type { PlannedRead } from '../../meters/plan.js';
import { planReads } from '../../meters/plan.js';
import type { Profile, ProfileLimits } from '../../meters/profile.js';
import { readingRegisters } from '../../meters/profile.js';
import type { IdentityRegister, ProfileRegister } from '../../meters/register.js';
import type { LineSettings } from '../../modbus/address.js';
import { asColumns } from './columns.js';

export type ProfileDescription = {
  readonly name: string;
  readonly id: string;
  readonly title: string;
  readonly phases: number;
  readonly line: Partial<LineSettings>;
  readonly limits: ProfileLimits;
  readonly serial: IdentityRegister | null;
  readonly registers: readonly ProfileRegister[];
  /** The requests of one reading; none if sources disagree on everything, and that is not accepted. */
  readonly reads: readonly PlannedRead[];
};

export function descriptionOf(profile: Profile, acceptUnproven: boolean): ProfileDescription {
  const { name, id, title, phases, line, limits, serial = null, registers } = profile;
  const isRead = readingRegisters(profile, acceptUnproven).length > 0;
  const reads = isRead ? [...planReads(profile, acceptUnproven)] : [];
  reads.sort((a, b) => a.fc - b.fc || a.at - b.at);
  return { name, id, title, phases, line, limits, serial, registers, reads };
}

export function showAsText(description: ProfileDescription): string {
  const { id, title, phases, limits, serial, registers, reads } = description;
  const facts = asColumns(
    [
      ['phases', String(phases)],
      ['line', lineAsText(description.line)],
      [
        'limits',
        `${limits.registers} registers at once, gaps of ${limits.gap}, ${limits.pauseMs} ms between requests`,
      ],
      ['serial', serial === null ? 'not known' : serialAsText(serial)],
      [
        'reads',
        reads.length === 0 ? 'none unless unproven registers are accepted' : reads.map(readAsText).join(', '),
      ],
    ],
    '  ',
  );
  const table = asColumns(
    [
      ['code', 'unit', 'decimals', 'register', 'form', 'scaler', 'confidence', 'source'],
      ...registers.map((register) => [
        register.obis,
        register.unit,
        String(register.decimals),
        placeAsText(register),
        formOf(register),
        scalerAsText(register),
        register.confidence,
        register.source,
      ]),
    ],
    '  ',
  );
  return `${title} (${id})\n${facts}\n${table}`;
}

function lineAsText({ baud, parity, stop }: Partial<LineSettings>): string {
  if (baud === undefined && parity === undefined && stop === undefined)
    return 'not known: the bus address has to say it';
  const parts = [
    baud === undefined ? 'baud not known' : `${baud} baud`,
    parity === undefined ? 'parity not known' : `parity ${parity}`,
    ...(stop === undefined ? [] : [`${stop} stop bit${stop === 1 ? '' : 's'}`]),
  ];
  return parts.join(', ');
}

function serialAsText(serial: IdentityRegister): string {
  const form = serial.type === 'text' ? `text of ${serial.words} registers` : formOf(serial);
  return `fc${serial.fc} ${serial.at}, ${form} (${serial.confidence}: ${serial.source})`;
}

function readAsText({ fc, at, count, data }: PlannedRead): string {
  if (data !== undefined) return `data ${data.identifier}`;
  return `fc${fc} ${at}+${count}`;
}

function placeAsText({ fc, at, data }: ProfileRegister): string {
  return data === undefined ? `fc${fc} ${at}` : `data ${data.identifier}`;
}

function formOf({ type, wordOrder }: Pick<ProfileRegister, 'type' | 'wordOrder'>): string {
  return type.endsWith('16') || type.includes('bcd') ? type : `${type} ${wordOrder}`;
}

function scalerAsText({ scaler: { mantissa, exponent }, scaleAt }: ProfileRegister): string {
  const own = mantissa === 1 && exponent === 0 ? '1' : `${mantissa}e${exponent}`;
  return scaleAt === undefined ? own : `${own}, power at ${scaleAt}`;
}
