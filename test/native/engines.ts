import { type Engine, javascriptEngine, loadEngine } from '@meterseal/native';

export interface EngineUnderTest {
  readonly name: string;
  readonly engine: Engine;
  /** Why this engine cannot be tested here. */
  readonly skip: string | false;
}

const loaded = loadEngine();

/** Both engines, the addon with a reason to skip where none is built. */
export const enginesUnderTest: readonly EngineUnderTest[] = [
  { name: 'javascript', engine: javascriptEngine, skip: false },
  { name: 'addon', engine: loaded.engine, skip: loaded.why ?? false },
];
