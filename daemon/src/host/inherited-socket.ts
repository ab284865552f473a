/** The first descriptor that systemd passes on. */
const FIRST = 3;

/**
 * The descriptor of a listening socket that whoever started this process has made and passed on (sd_listen_fds(3)): so sockets
 * between users can be open to exactly the one who may use them, and no role has to be there before another.
 *
 * @param name as its unit's `FileDescriptorName`
 * @param pid of this process: what was meant for another one is not taken
 * @returns undefined if there is none
 */
export function inheritedSocket(
  name: string,
  env: Readonly<Record<string, string | undefined>>,
  pid: number,
): number | undefined {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES = '' } = env;
  const at = LISTEN_FDNAMES.split(':').indexOf(name);
  return Number(LISTEN_PID) === pid && at >= 0 && at < Number(LISTEN_FDS) ? FIRST + at : undefined;
}
