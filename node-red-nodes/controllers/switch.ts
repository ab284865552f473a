import { MetersealError } from '@meterseal/protocol';
import type { LinkController } from './link.js';
import type { SwitchView } from './switch-watch.js';

/** What a flow can ask of the switch. */
export type SwitchCommand =
  | { readonly action: 'connect'; readonly maxMs: number | undefined }
  | { readonly action: 'isolate' };

/** The switch as messages carry it. */
export type SwitchMessage = {
  state: SwitchView['state'];
  /** When it became so, `YYYY-MM-DDThh:mm:ss.sssZ`. */
  since: string;
  lease?: string;
  /** While connected: when it isolates by itself. */
  until?: string;
  witness?: NonNullable<SwitchView['witness']>;
  why?: NonNullable<SwitchView['why']>;
};

/**
 * The command of a message: payload `connect` (with `msg.seconds`, if not for the longest time) or `isolate`.
 *
 * @throws MetersealError `misuse`
 */
export function switchCommand({ payload, seconds }: { payload?: unknown; seconds?: unknown }): SwitchCommand {
  if (payload === 'isolate') return { action: 'isolate' };
  if (payload !== 'connect') {
    throw new MetersealError('misuse', "couldn't switch: the payload is neither `connect` nor `isolate`", {
      hint: 'Send one of the two words; how the switch stands comes out by itself.',
    });
  }
  if (seconds === undefined) return { action: 'connect', maxMs: undefined };
  if (typeof seconds !== 'number' || !(seconds > 0)) {
    throw new MetersealError('misuse', "couldn't connect: `seconds` is not a number above 0");
  }
  return { action: 'connect', maxMs: Math.max(1, Math.round(seconds * 1_000)) };
}

/**
 * Carries a command out.
 *
 * @throws MetersealError as `LinkController.connect`
 */
export async function carryOut(
  link: Pick<LinkController, 'connect' | 'isolate'>,
  command: SwitchCommand,
): Promise<void> {
  if (command.action === 'connect') await link.connect(command.maxMs);
  else await link.isolate();
}

export function switchMessage({ state, since, lease, until, witness, why }: SwitchView): SwitchMessage {
  return {
    state,
    since: new Date(since).toISOString(),
    ...(lease === undefined ? {} : { lease }),
    ...(until === undefined ? {} : { until: new Date(until).toISOString() }),
    ...(witness === undefined ? {} : { witness }),
    ...(why === undefined ? {} : { why }),
  };
}
