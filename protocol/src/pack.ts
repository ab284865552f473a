/** Slices of one buffer, as bulk calls take them: slice i is `packed[bounds[2i], bounds[2i + 1])`. */
export type Packed = { readonly packed: Uint8Array; readonly bounds: Uint32Array };

/** Copies byte strings into one buffer, one behind the other. */
export function pack(slices: readonly Uint8Array[]): Packed {
  const packed = new Uint8Array(slices.reduce((length, slice) => length + slice.length, 0));
  const bounds = new Uint32Array(2 * slices.length);
  let at = 0;
  for (const [i, slice] of slices.entries()) {
    packed.set(slice, at);
    bounds[2 * i] = at;
    at += slice.length;
    bounds[2 * i + 1] = at;
  }
  return { packed, bounds };
}

/** The slices, as views. */
export function unpack({ packed, bounds }: Packed): Uint8Array[] {
  return Array.from({ length: bounds.length / 2 }, (_, i) =>
    packed.subarray(bounds[2 * i]!, bounds[2 * i + 1]!),
  );
}
