/** A frame as a meter makes it; not the daemon's own code, so that a mistake in one of them shows. */
export function frameOf({
  address,
  control,
  data,
}: {
  address: string;
  control: number;
  data: Uint8Array;
}): Uint8Array {
  const frame = Buffer.alloc(12 + data.length);
  frame[0] = 0x68;
  Buffer.from(address, 'hex').reverse().copy(frame, 1);
  frame[7] = 0x68;
  frame[8] = control;
  frame[9] = data.length;
  for (const [i, byte] of data.entries()) frame[10 + i] = byte + 0x33;
  let sum = 0;
  for (const byte of frame.subarray(0, 10 + data.length)) sum += byte;
  frame[10 + data.length] = sum;
  frame[11 + data.length] = 0x16;
  return Uint8Array.from(frame);
}

/** The data of an answer: identifier and what follows it, both least significant byte first. */
export function answerData(identifier: string, value: string, ...behind: number[]): Uint8Array {
  const reversed = (digits: string): Buffer => Buffer.from(digits, 'hex').reverse();
  return Uint8Array.from([...reversed(identifier), ...reversed(value), ...behind]);
}
