import { MAX_INTEGER, MetersealError } from '@meterseal/protocol';

/** What a member of an answer must be: a text, a number that counts something, or one of them or absent. */
export type MemberShape = 'text' | 'count' | 'text?' | 'count?';

/**
 * Checks the members of a JSON answer that are about to be used. Others may be there: an answer can grow.
 *
 * @param what how messages call it: "couldn't read <what>"
 * @throws MetersealError `bad-message`
 */
export function requireShape<T extends object>(
  answer: unknown,
  shape: { readonly [K in keyof T]-?: MemberShape },
  what: string,
): T {
  if (typeof answer !== 'object' || answer === null) refuse(what, 'not an object');
  for (const [name, expected] of Object.entries<MemberShape>(shape)) {
    const value: unknown = Object.hasOwn(answer, name) ? answer[name as keyof typeof answer] : undefined;
    if (value === undefined && expected.endsWith('?')) continue;
    const isText = typeof value === 'string';
    const isCount = Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_INTEGER;
    if (!(expected.startsWith('text') ? isText : isCount)) refuse(what, `${name} is no ${expected}`);
  }
  return answer as T;
}

function refuse(what: string, why: string): never {
  throw new MetersealError('bad-message', `couldn't read ${what}: ${why}`);
}
