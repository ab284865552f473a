import t from 'tap';
import { liveThrough, PATIENCE_MS } from './live-through.js';

t.setTimeout(PATIENCE_MS);
t.test('whatever happens to the line, every promise is kept: part 1', (t) => liveThrough(t, 1));
