# A meter made of the program `dlt645` (PyPI), on the serial port named first, under the address named second. Says
# `ready`, and ends with its standard input. Nothing in it is ours but the values.
import sys

from dlt645.service.serversvc.server_service import MeterServerService

VALUES = {
    0x00010000: 12345.67,
    0x00020000: 0.26,
    0x02010100: 230.1,
    0x02010200: 229.9,
    0x02010300: 231.0,
    0x02020100: 5.721,
    0x02020200: 0.0,
    0x02020300: -7.14,
    0x02030000: -1.2345,
    0x02030100: 1.1938,
    0x02030200: 0.4168,
    0x02030300: -2.8451,
    0x02040000: 0.5,
    0x02060000: -0.987,
    0x02800002: 50.01,
}

port, address = sys.argv[1:]
service = MeterServerService.new_rtu_server(port, 8, 1, 9600, "N", 1.0)
# Its own order of bytes is that of the wire.
service.set_address(bytes.fromhex(address)[::-1])
for identifier, value in VALUES.items():
    is_set = service.set_00(identifier, value) if identifier < 0x01000000 else service.set_02(identifier, value)
    if not is_set:
        sys.exit(f"no data {identifier:08x}")
if not service.start():
    sys.exit(f"couldn't serve on {port}")
print("ready", flush=True)
sys.stdin.read()
service.stop()
