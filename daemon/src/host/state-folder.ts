import { accessSync, chmodSync, constants, lstatSync, mkdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { MetersealError } from '@meterseal/protocol';

/** Longest path that the kernel takes for a Unix socket. */
export const MAX_SOCKET_PATH_BYTES = 107;

/** Where everything of one box lies; docs/operate.md has the picture. */
export type StateFolder = {
  readonly root: string;
  readonly config: string;
  readonly policy: string;
  readonly checkpoint: string;
  readonly lock: string;
  readonly run: string;
  readonly sockets: {
    readonly platform: string;
    readonly proof: string;
    readonly switch: string;
    /** Status of the field and of the gate: read only, for `meterseal status`. */
    readonly field: string;
    readonly gate: string;
  };
  readonly field: string;
  readonly fieldDatabase: string;
  readonly identityKeys: string;
  readonly chain: string;
  readonly chainDatabase: string;
  readonly logKey: string;
  readonly roster: string;
  readonly gate: string;
  readonly collector: string;
};

/** What is somewhere else than in the state folder: as services the roles have a state folder and a user each. */
export type Elsewhere = {
  /** Folder of the sockets. */
  readonly sockets?: string | undefined;
  /** The field's state folder. */
  readonly fieldState?: string | undefined;
};

export function stateFolder(path: string, elsewhere: Elsewhere = {}): StateFolder {
  const root = resolve(path);
  const run = resolve(elsewhere.sockets ?? join(root, 'run'));
  const field = join(resolve(elsewhere.fieldState ?? root), 'field');
  return {
    root,
    config: join(root, 'meterseal.yaml'),
    policy: join(root, 'policy'),
    checkpoint: join(root, 'checkpoint'),
    lock: join(root, 'lock'),
    run,
    sockets: {
      platform: join(run, 'platform.sock'),
      proof: join(run, 'proof.sock'),
      switch: join(run, 'switch.sock'),
      field: join(run, 'field.sock'),
      gate: join(run, 'gate.sock'),
    },
    field,
    fieldDatabase: join(field, 'field.db'),
    identityKeys: join(field, 'keys'),
    chain: join(root, 'chain'),
    chainDatabase: join(root, 'chain', 'chain.db'),
    logKey: join(root, 'chain', 'log.key'),
    roster: join(root, 'chain', 'roster.yaml'),
    gate: join(root, 'gate'),
    collector: join(root, 'collector'),
  };
}

export const ROLES = ['chain', 'field', 'gate'] as const;
export type RoleName = (typeof ROLES)[number];

/**
 * Makes the folders, 0700, and refuses what is not safe or not possible before anything is started or made. A folder of
 * sockets that is elsewhere is not made: it belongs to whoever lets the roles meet there.
 *
 * @param roles whose folders are made
 * @throws MetersealError `state-readonly`, `file-unusable`, `socket-path-too-long`
 */
export function prepareStateFolder(state: StateFolder, roles: readonly RoleName[] = ROLES): void {
  for (const path of Object.values(state.sockets)) {
    const bytes = Buffer.byteLength(path);
    if (bytes > MAX_SOCKET_PATH_BYTES) {
      throw new MetersealError(
        'socket-path-too-long',
        `couldn't use state folder: its sockets would have paths of ${bytes} bytes, at most ${MAX_SOCKET_PATH_BYTES} are possible`,
        { hint: 'Choose a state folder with a shorter path.' },
      );
    }
  }
  makePrivateFolder(state.root, { mayBeLink: true });
  if (state.run === join(state.root, 'run')) makePrivateFolder(state.run);
  const own = { chain: [state.chain], field: [state.field, state.identityKeys], gate: [state.gate] };
  for (const path of roles.flatMap((role) => own[role])) makePrivateFolder(path);
}

/**
 * Makes one folder that only this user can enter; one that others can enter is closed to them. A link in its place is
 * refused, never followed.
 *
 * @param options `mayBeLink`: for the state folder itself, which systemd puts behind a link of root's
 * @throws MetersealError `state-readonly`, `file-unusable`
 */
export function makePrivateFolder(path: string, options: { readonly mayBeLink?: boolean } = {}): void {
  try {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined) mkdirSync(path, { recursive: true, mode: 0o700 });
    const isOwnLink =
      options.mayBeLink === true &&
      found?.isSymbolicLink() === true &&
      (found.uid === 0 || found.uid === process.geteuid?.());
    const stat = isOwnLink ? statSync(path) : lstatSync(path);
    if (!stat.isDirectory()) {
      throw new MetersealError('file-unusable', `couldn't use ${path}: it is not a folder`, {
        hint: 'Remove what stands there, or choose another state folder.',
      });
    }
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    if ((stat.mode & 0o077) !== 0) chmodSync(path, 0o700);
  } catch (cause) {
    if (cause instanceof MetersealError) throw cause;
    const reason = (cause as NodeJS.ErrnoException).code ?? 'failed';
    throw new MetersealError('state-readonly', `couldn't use ${path}: ${reason}`, {
      hint: 'The state folder must be writable by the user that runs meterseal, and belong to it.',
      cause,
    });
  }
}
