import type { ReadBack, SwitchDriverName, SwitchGrade } from '@meterseal/protocol';
import type { SwitchDriver } from 'meterseal/internal/gate/driver';

/** A relay of which the test says what its coil and its contact claim, and how it takes its tasks. */
export class ScriptedDriver implements SwitchDriver {
  readonly name: SwitchDriverName = 'modbus-relay';
  readonly grade: SwitchGrade = 2;
  readonly tasks: string[] = [];
  /** What really is. */
  connected = false;
  /** Lies of the witnesses; null tells the truth. */
  coil: ReadBack['says'] | null = null;
  contact: ReadBack['says'] | null = null;
  connecting: 'works' | 'fails' | 'hangs' = 'works';
  isolating: 'works' | 'fails' | 'hangs' = 'works';

  async connect(): Promise<number> {
    this.tasks.push('connect');
    await obey(this.connecting);
    this.connected = true;
    return 4_242;
  }

  async isolate(): Promise<void> {
    this.tasks.push('isolate');
    await obey(this.isolating);
    this.connected = false;
  }

  async readBacks(): Promise<ReadBack[]> {
    const truth = this.connected ? 'connected' : 'isolated';
    return [
      { witness: 'coil', says: this.coil ?? truth },
      { witness: 'contact', says: this.contact ?? truth },
    ];
  }
}

async function obey(how: 'works' | 'fails' | 'hangs'): Promise<void> {
  if (how === 'hangs') await new Promise(() => {});
  if (how === 'fails') throw new Error('the relay board does not answer');
}
