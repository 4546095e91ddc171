/* fuzz_proxy_protocol.c: a header is recognised exactly when it is whole, whatever follows it. */
#include "address.h"
#include "fuzz.h"
#include "proxy_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    union address source, again;
    memset(&source, 0, sizeof source);
    int len = proxy_header_parse(data, size, &source);
    FUZZ_CHECK(len <= (int)size && len <= PROXY_HEADER_MAX);
    FUZZ_PLANTED(len <= 0 || source.any.sa_family != AF_INET6);
    for (size_t part = 0; part < size && part < 600; part++) {
        int rc = proxy_header_parse(data, part, &again);
        if (len > 0 && part < (size_t)len)
            FUZZ_CHECK(rc == 0);
        else if (len > 0)
            FUZZ_CHECK(rc == len);
        else if (len == 0)
            FUZZ_CHECK(rc == 0);
        else
            FUZZ_CHECK(rc <= 0);
    }
    return 0;
}
