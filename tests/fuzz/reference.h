/* reference.h: reads requests off a stream as RFC 9112 has it, in the most obvious way. */
#ifndef TESTS_FUZZ_REFERENCE_H
#define TESTS_FUZZ_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reference_request {
    const uint8_t *method, *target;
    size_t method_len, target_len;
    uint8_t *body; /* decoded; the caller frees it */
    size_t body_len;
    uint32_t head_hash, body_hash; /* the user's */
};

/* Reads the request at *at and moves *at behind it. Returns false when there is no whole, valid
 * request. Limits, hosts and forms of targets are not looked at. */
bool reference_next(const uint8_t *data, size_t size, size_t *at, struct reference_request *ret);

#endif
