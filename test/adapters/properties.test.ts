import {
  isSet,
  numberOf,
  portOf,
  requiredText,
  textOf,
} from '@meterseal/node-red-meterseal/internal/adapters/properties';
import t from 'tap';

const BOUNDS = { standard: 30, least: 1, most: 3_600 };

t.test('what is not given is standard, and numbers may be texts', async (t) => {
  t.equal(numberOf({}, 'maxWindow', BOUNDS), 30);
  t.equal(numberOf({ maxWindow: '' }, 'maxWindow', BOUNDS), 30);
  t.equal(numberOf({ maxWindow: '12.5' }, 'maxWindow', BOUNDS), 12.5);
  t.equal(numberOf({ maxWindow: 60 }, 'maxWindow', BOUNDS), 60);
  t.equal(portOf({ port: '7421' }, 'port', 0), 7_421);
  t.equal(textOf({ host: ' 127.0.0.1 ' }, 'host'), '127.0.0.1');
  t.equal(isSet({}, 'witness', true), true);
  t.equal(isSet({ witness: false }, 'witness', true), false);
});

t.test('what makes no sense is refused by its name', async (t) => {
  for (const maxWindow of ['0', 'soon', 4_000, Number.NaN, {}, true]) {
    t.throws(() => numberOf({ maxWindow }, 'maxWindow', BOUNDS), {
      code: 'bad-config',
      message: /maxWindow/,
    });
  }
  t.throws(() => portOf({ port: '70000' }, 'port', 0), { code: 'bad-config' });
  t.throws(() => portOf({ port: '1.5' }, 'port', 0), { code: 'bad-config' });
  t.throws(() => requiredText({ dir: ' ' }, 'dir'), { code: 'bad-config' });
  t.throws(() => textOf({ dir: 7 }, 'dir'), { code: 'bad-config' });
});
