/*
 * A Modbus server by libmodbus, for the interoperability test: serves the registers of a file as input registers.
 *
 *   libmodbus-server FILE tcp              prints the port
 *   libmodbus-server FILE rtu DEVICE UNIT  prints "ready"
 *
 * Ends when it is told to by a signal.
 */
#include <errno.h>
#include <modbus.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { REGISTERS = 512 };

static void fail(const char *what) {
  fprintf(stderr, "libmodbus-server: couldn't %s: %s\n", what, modbus_strerror(errno));
  exit(1);
}

static void load(const char *path, uint16_t *registers) {
  unsigned char bytes[2 * REGISTERS];
  FILE *file = fopen(path, "rb");
  if (file == NULL || fread(bytes, sizeof bytes, 1, file) != 1) fail("read the registers");
  fclose(file);
  for (int i = 0; i < REGISTERS; i++) registers[i] = (uint16_t)(bytes[2 * i] << 8 | bytes[2 * i + 1]);
}

static void serve(modbus_t *context, modbus_mapping_t *mapping) {
  uint8_t query[MODBUS_MAX_ADU_LENGTH];
  for (;;) {
    int length = modbus_receive(context, query);
    if (length < 0) return;
    if (length > 0 && modbus_reply(context, query, length, mapping) < 0) fail("reply");
  }
}

int main(int count, char **arguments) {
  if (count < 3) return 2;
  modbus_mapping_t *mapping = modbus_mapping_new(0, 0, 0, REGISTERS);
  if (mapping == NULL) fail("make the registers");
  load(arguments[1], mapping->tab_input_registers);

  if (strcmp(arguments[2], "tcp") == 0) {
    modbus_t *context = modbus_new_tcp("127.0.0.1", 0);
    int listener = context == NULL ? -1 : modbus_tcp_listen(context, 1);
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    if (listener < 0 || getsockname(listener, (struct sockaddr *)&address, &length) < 0) fail("listen");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
      if (modbus_tcp_accept(context, &listener) < 0) fail("accept");
      serve(context, mapping);
      modbus_close(context);
    }
  }

  if (count < 5) return 2;
  modbus_t *context = modbus_new_rtu(arguments[3], 9600, 'N', 8, 1);
  if (context == NULL || modbus_set_slave(context, atoi(arguments[4])) < 0) fail("set up the line");
  if (modbus_connect(context) < 0) fail("open the line");
  printf("ready\n");
  fflush(stdout);
  for (;;) serve(context, mapping);
}
