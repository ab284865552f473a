/**
 * Waits for an observable condition, looking again and again.
 *
 * @param mostMs how long at most
 * @throws Error that names the condition
 */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  mostMs = 5_000,
): Promise<void> {
  const end = performance.now() + mostMs;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
