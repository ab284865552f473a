import type { BusConfig, MeterConfig } from 'meterseal/internal/config/config';
import { checkBuses } from 'meterseal/internal/field/check-buses';
import t from 'tap';

const DLT = 'unbranded/dlt645-2007-3p';
const RTU = 'rtu:///dev/ttyUSB0?baud=2400&parity=even&stop=1';

const meter = (unit: number, profile: string): MeterConfig => ({
  id: `EM-${unit}`,
  unit,
  profile,
  holder: { name: 'x' },
  codeFile: '/nowhere',
  identity: 'issued',
  acceptUnproven: false,
});
const bus = (address: string, ...meters: MeterConfig[]): BusConfig => ({ address, meters });

t.test('DL/T 645 and Modbus meters may hang on one serial line', async () => {
  checkBuses([
    bus(RTU, meter(112_233_445_566, DLT), meter(1, 'eastron/sdm120'), meter(247, 'eastron/sdm120')),
  ]);
});

t.test('a unit that Modbus does not have is refused with its place', async (t) => {
  for (const address of [RTU, 'tcp://192.0.2.7:502']) {
    t.throws(() => checkBuses([bus(address, meter(1, 'eastron/sdm120'), meter(248, 'eastron/sdm120'))]), {
      code: 'bad-config',
      message: /field\.buses\[0\]\.meters\[1\]\.unit: must be <= 247/,
    });
  }
});

t.test('a DL/T 645 meter over Modbus TCP is refused with a way out', async (t) => {
  t.throws(() => checkBuses([bus('tcp://192.0.2.7:502', meter(161, DLT))]), {
    code: 'bad-config',
    message: /field\.buses\[0\]\.meters\[0\]\.profile: tcp:\/\/ is Modbus TCP/,
    hint: /rtu:/,
  });
});

t.test('the speed of a DL/T 645 line is not guessed', async (t) => {
  t.throws(() => checkBuses([bus('rtu:///dev/ttyUSB0', meter(161, DLT))]), {
    code: 'bad-config',
    message: /baud is missing/,
  });
  checkBuses([bus('rtu:///dev/ttyUSB0?baud=9600', meter(161, DLT))]);
});
