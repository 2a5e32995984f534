// What `wild_writes` and the hook in the disks' drivers agree on.
#ifndef WILD_WRITES_H
#define WILD_WRITES_H

// In ForDriver[3] of a request: the driver is to write ForDriver[1] to the address in ForDriver[2].
#define WILD_MAGIC 0x57696c6457726974ull

#endif
