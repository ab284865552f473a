import { isMetersealError } from '@meterseal/protocol';
import { loadAddon } from './addon.js';
import type { Engine } from './engine.js';
import { javascriptEngine } from './javascript.js';

export type { Engine, SigningKey } from './engine.js';
export { javascriptEngine } from './javascript.js';
export { fromPkcs8Pem, generateSeed, toPkcs8Pem } from './key-file.js';

/**
 * The addon where it can be loaded, else its JavaScript twin: the same answers, more slowly.
 *
 * @returns the engine, and why it is not the addon
 */
export function loadEngine(): { engine: Engine; why?: string } {
  try {
    return { engine: loadAddon() };
  } catch (error) {
    if (!isMetersealError(error, 'addon-missing')) throw error;
    return { engine: javascriptEngine, why: error.message };
  }
}
