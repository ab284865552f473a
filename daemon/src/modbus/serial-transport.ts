import { SerialPort } from 'serialport';
import type { LineSettings } from './address.js';
import type { Transport } from './port.js';

/** A serial port, locked for this process while it is open. */
export class SerialTransport implements Transport {
  readonly #port: SerialPort;
  #opening: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(path: string, line: LineSettings) {
    this.#port = new SerialPort({
      path,
      baudRate: line.baud,
      dataBits: line.data,
      parity: line.parity,
      stopBits: line.stop,
      autoOpen: false,
    });
  }

  open(onBytes: (bytes: Uint8Array) => void, onClosed: (reason: string) => void): Promise<void> {
    const port = this.#port;
    port.on('data', onBytes);
    port.on('error', (error) => onClosed(error.message));
    port.on('close', (error?: Error | null) => onClosed(error?.message ?? 'the port was closed'));
    this.#opening = new Promise((resolve, reject) => {
      // Opening flushes what the kernel holds; what is still on its way comes out in the silence that follows.
      port.open((error) => (error ? reject(error) : resolve()));
    });
    return this.#opening;
  }

  write(bytes: Uint8Array): void {
    this.#port.write(bytes);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const port = this.#port;
    await this.#opening?.catch(() => undefined);
    if (!port.isOpen) return;
    // Closing can only fail on a device that is gone, and then it is free.
    await new Promise<void>((resolve) => port.close(() => resolve()));
  }
}
