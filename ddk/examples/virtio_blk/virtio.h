// Structures and numbers of virtio 1.2: the ring (section 2.7), PCI (4.1.4) and block devices (5.2).
#ifndef VIRTIO_H
#define VIRTIO_H

#include <stdint.h>

// Device status (2.1).
#define STATUS_ACKNOWLEDGE 1
#define STATUS_DRIVER 2
#define STATUS_DRIVER_OK 4
#define STATUS_FEATURES_OK 8
#define STATUS_NEEDS_RESET 0x40
#define STATUS_FAILED 0x80

// Features, as bits.
#define FEATURE_SIZE_MAX (1ull << 1)
#define FEATURE_SEG_MAX (1ull << 2)
#define FEATURE_READ_ONLY (1ull << 5)
#define FEATURE_BLOCK_SIZE (1ull << 6)
#define FEATURE_FLUSH (1ull << 9)
#define FEATURE_QUEUES (1ull << 12)
#define FEATURE_INDIRECT (1ull << 28)
#define FEATURE_EVENT_INDEX (1ull << 29)
#define FEATURE_VERSION_1 (1ull << 32)
#define FEATURE_ACCESS_PLATFORM (1ull << 33)
#define FEATURE_ORDER_PLATFORM (1ull << 36)

// The types of a vendor capability (4.1.4).
#define PCI_CAPABILITY_VENDOR 9
#define TYPE_COMMON 1
#define TYPE_NOTIFY 2
#define TYPE_ISR 3
#define TYPE_DEVICE 4

// The ISR status (4.1.4.5): why a device has raised INTx. Reading clears it.
#define ISR_QUEUE 1
#define ISR_CONFIG 2

#define NO_VECTOR 0xffff

// The common configuration (4.1.4.3).
typedef volatile struct {
    uint32_t device_feature_select;
    uint32_t device_feature;
    uint32_t driver_feature_select;
    uint32_t driver_feature;
    uint16_t config_vector;
    uint16_t queue_count;
    uint8_t status;
    uint8_t config_generation;
    uint16_t queue_select;
    uint16_t queue_size;
    uint16_t queue_vector;
    uint16_t queue_enable;
    uint16_t queue_notify_offset;
    uint32_t queue_descriptors[2];
    uint32_t queue_available[2];
    uint32_t queue_used[2];
} CommonConfig;
_Static_assert(sizeof(CommonConfig) == 56, "section 4.1.4.3");

// The configuration of a block device (5.2.4), as far as this driver reads it.
typedef volatile struct {
    uint32_t capacity[2]; // sectors of 512 bytes
    uint32_t size_max;
    uint32_t seg_max;
    uint32_t geometry;
    uint32_t block_size;
    uint32_t topology[2];
    uint8_t writeback;
    uint8_t unused;
    uint16_t queues;
} BlockConfig;
_Static_assert(sizeof(BlockConfig) == 36, "section 5.2.4");

// One descriptor (2.7.5). `rest` has the length in bits 0-31, the flags in 32-47 and the next index in 48-63.
typedef struct {
    uint64_t address;
    uint64_t rest;
} Descriptor;

#define DESCRIPTOR_NEXT (1ull << 32)
#define DESCRIPTOR_DEVICE_WRITES (2ull << 32)
#define DESCRIPTOR_INDIRECT (4ull << 32)
#define DESCRIPTOR_NEXT_INDEX(index) ((uint64_t)(index) << 48)

// The available ring (2.7.6). Behind it is the 16-bit word `used_event`.
typedef struct {
    uint16_t flags;
    uint16_t index;
    uint16_t ring[];
} Available;

typedef struct {
    uint32_t id;
    uint32_t length;
} UsedElement;

// The used ring (2.7.8). Behind it is the 16-bit word `avail_event`.
typedef struct {
    uint16_t flags;
    uint16_t index;
    UsedElement ring[];
} Used;

#define USED_NO_NOTIFY 1

// The head of a block request (5.2.6), and its operations and status.
typedef struct {
    uint64_t operation; // the upper 32 bits are reserved
    uint64_t sector;
} Header;

#define OPERATION_READ 0
#define OPERATION_WRITE 1
#define OPERATION_FLUSH 4
#define OPERATION_GET_ID 8
#define ID_BYTES 20

#define BLOCK_STATUS_OK 0

#define SECTOR_SHIFT 9

#endif
