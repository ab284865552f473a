import { javascriptEngine } from '@meterseal/native/javascript';
import type { Policy } from '@meterseal/protocol';
import { MetersealError, parsePolicy, platformIdOf } from '@meterseal/protocol';

/** Whose chain is believed: a platform by its ID, and the policy that names its keys. */
export type Platform = { readonly platformId: string; readonly policy: Policy };

/**
 * A platform as the operator describes it. A policy that names no log of the platform would make every comparison fail,
 * and say nothing of the reason.
 *
 * @param policy text of a policy file
 * @throws MetersealError `bad-policy`
 */
export function platformOf(platformId: string, policy: string): Platform {
  const parsed = parsePolicy(javascriptEngine, policy);
  if (parsed.logs.some(({ key }) => isOfPlatform(key.name, platformId)))
    return { platformId, policy: parsed };
  throw new MetersealError(
    'bad-policy',
    `couldn't use policy: it names no log of ${JSON.stringify(platformId)}`,
    {
      hint: "Take the file `policy` from the box's state folder; the ID is its log's name without the epoch.",
    },
  );
}

function isOfPlatform(origin: string, platformId: string): boolean {
  try {
    return platformIdOf(origin) === platformId;
  } catch {
    // Whatever else the policy names is no log of ours.
    return false;
  }
}
