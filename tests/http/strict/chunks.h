/* chunks.h: sizes, extensions and ends of chunks, and trailers. The bodies are read by the handler:
 * what is wrong in them is answered by 400 and ends the connection. */
#ifndef TESTS_STRICT_CHUNKS_H
#define TESTS_STRICT_CHUNKS_H

#include "case.h"

#define CHUNK_OF(chunk) CHUNKED chunk END

static const struct strict_case chunk_cases[] = {
    /* sizes */
    C("9112 7.1: large hexadecimal digits", CHUNK_OF("A\r\n0123456789\r\n"), "200", GOES_ON),
    C("9112 7.1: small hexadecimal digits", CHUNK_OF("a\r\n0123456789\r\n"), "200", GOES_ON),
    C("9112 7.1: leading zeros", CHUNK_OF("000A\r\n0123456789\r\n"), "200", GOES_ON),
    C("9112 7.1: a last chunk of several zeros", CHUNKED "000\r\n\r\n", "200", GOES_ON),
    C("9112 7.1: no size", CHUNK_OF("\r\nx\r\n"), "400", ENDS),
    C("9112 7.1: a minus", CHUNK_OF("-1\r\nx\r\n"), "400", ENDS),
    C("9112 7.1: a plus", CHUNK_OF("+1\r\nx\r\n"), "400", ENDS),
    C("9112 7.1: plus nothing", CHUNKED "+0\r\n\r\n", "400", ENDS),
    C("9112 7.1: 0x", CHUNK_OF("0x1\r\nx\r\n"), "400", ENDS),
    C("9112 7.1: no hexadecimal digit", CHUNK_OF("g\r\nx\r\n"), "400", ENDS),
    C("9112 7.1: an underscore", CHUNK_OF("1_0\r\n0123456789abcdef\r\n"), "400", ENDS),
    C("9112 7.1: a fraction", CHUNK_OF("1.0\r\nx\r\n"), "400", ENDS),
    C("9112 7.1: quotes", CHUNK_OF("\"1\"\r\nx\r\n"), "400", ENDS),
    C("9112 7.1: past 64 bits", CHUNK_OF("10000000000000001\r\nx\r\n"), "400", ENDS),
    C("9112 7.1: 2 to the 64, and one", CHUNK_OF("10000000000000000\r\nx\r\n"), "400", ENDS),
    C("9112 7.1: far past 64 bits", CHUNK_OF("fffffffffffffffffffff\r\nx\r\n"), "400", ENDS),
    C("9112 7.1: a space before it", CHUNK_OF(" 1\r\nx\r\n"), "400", ENDS),
    C("9112 7.1: a tab before it", CHUNK_OF("\t1\r\nx\r\n"), "400", ENDS),
    C("9112 7.1: a space behind it", CHUNK_OF("1 \r\nx\r\n"), "400", ENDS),
    C("9112 7.1: a tab behind it", CHUNK_OF("1\t\r\nx\r\n"), "400", ENDS),
    C("9112 7.1: NUL behind it", CHUNK_OF("1\0\r\nx\r\n"), "400", ENDS),
    C("9112 7.1: a comma", CHUNK_OF("1,1\r\nx\r\n"), "400", ENDS),
    /* ends */
    C("9112 7.1: bare LF after a size", CHUNK_OF("1\nx\r\n"), "400", ENDS),
    C("9112 7.1: bare CR after a size", CHUNK_OF("1\rx\r\n"), "400", ENDS),
    C("9112 7.1: CR CR LF after a size", CHUNK_OF("1\r\r\nx\r\n"), "400", ENDS),
    C("9112 7.1: bare LF after data", CHUNK_OF("1\r\nx\n"), "400", ENDS),
    C("9112 7.1: bare CR after data", CHUNK_OF("1\r\nx\r"), "400", ENDS),
    C("9112 7.1: nothing after data", CHUNK_OF("1\r\nx"), "400", ENDS),
    C("9112 7.1: more data than the chunk has", CHUNK_OF("1\r\nxy\r\n"), "400", ENDS),
    C("9112 7.1: two bytes for CRLF", CHUNK_OF("1\r\nxab"), "400", ENDS),
    C("9112 7.1: bare LF after the last size", CHUNKED "0\n\r\n", "400", ENDS),
    C("9112 7.1: bare LF at the end", CHUNKED "0\r\n\n", "400", ENDS),
    C("9112 7.1: bare CR at the end", CHUNKED "0\r\n\rX", "400", ENDS),
    C("9112 8: a body that ends early", CHUNKED "5\r\nab", "400", UNFINISHED),
    C("9112 8: no last chunk", CHUNKED "2\r\nab\r\n", "400", UNFINISHED),
    C("9112 8: half a last chunk", CHUNKED "2\r\nab\r\n0\r\n", "400", UNFINISHED),
    /* extensions */
    C("9112 7.1.1: an extension", CHUNK_OF("1;a=b\r\nx\r\n"), "200", GOES_ON),
    C("9112 7.1.1: an extension without a value", CHUNK_OF("1;a\r\nx\r\n"), "200", GOES_ON),
    C("9112 7.1.1: several", CHUNK_OF("1;a=b;c;d=\"e f\"\r\nx\r\n"), "200", GOES_ON),
    C("9112 7.1.1: of the last chunk", CHUNKED "0;a=b\r\n\r\n", "200", GOES_ON),
    C("9112 7.1.1: an escape in quotes", CHUNK_OF("1;a=\"b\\\"c\"\r\nx\r\n"), "200", GOES_ON),
    C("9112 7.1.1: a semicolon only", CHUNK_OF("1;\r\nx\r\n"), "400", ENDS),
    C("9112 7.1.1: no token", CHUNK_OF("1;[=b\r\nx\r\n"), "400", ENDS),
    C("9112 7.1.1: an open quote", CHUNK_OF("1;a=\"b\r\nx\r\n"), "400", ENDS),
    C("9112 7.1.1: bare LF in it", CHUNK_OF("1;a\nx\r\n"), "400", ENDS),
    C("9112 7.1.1: bare LF behind the semicolon", CHUNK_OF("1;\nx\r\n"), "400", ENDS),
    C("9112 7.1.1: bare LF in quotes", CHUNK_OF("1;a=\"b\nc\"\r\nx\r\n"), "400", ENDS),
    C("9112 7.1.1: bare CR in it", CHUNK_OF("1;a\rb\r\nx\r\n"), "400", ENDS),
    C("9112 7.1.1: NUL in it", CHUNK_OF("1;a\0b\r\nx\r\n"), "400", ENDS),
    C("9112 7.1.1: a control character in it", CHUNK_OF("1;a=\x01\r\nx\r\n"), "400", ENDS),
    C("9112 7.1.1: 200 bytes of it", CHUNK_OF("1;a=" X100("bb") "\r\nx\r\n"), "200", GOES_ON),
    C("9112 7.1.1: 64 KB of it",
      CHUNK_OF("1;a=" X1000("b0123456789abcdef0123456789abcdef"
                            "0123456789abcdef0123456789abcde") "\r\nx\r\n"),
      "431", ENDS),
    C("9112 7.1.1: a little with each of many chunks",
      CHUNK_OF(X100("1;a=" X10("0123456789") "\r\nx\r\n")), "431", ENDS),
    /* trailers */
    C("9112 7.1.2: trailers", CHUNKED "1\r\nx\r\n0\r\nX-T: y\r\nX-U:\r\n\r\n", "200", GOES_ON),
    C("9110 6.5.1: a trailer that routes is no header", CHUNKED "0\r\nHost: y\r\n\r\n", "200",
      GOES_ON),
    C("9110 6.5.1: a trailer that authorizes is no header",
      CHUNKED "0\r\nAuthorization: Basic eDp5\r\n\r\n", "200", GOES_ON),
    C("9110 6.5.1: a trailer that frames", CHUNKED "0\r\nContent-Length: 5\r\n\r\n", "400", ENDS),
    C("9110 6.5.1: a coding as a trailer", CHUNKED "0\r\nTransfer-Encoding: chunked\r\n\r\n", "400",
      ENDS),
    C("9112 5.1: a space before a trailer's colon", CHUNKED "0\r\nX : y\r\n\r\n", "400", ENDS),
    C("9112 5.2: a folded trailer", CHUNKED "0\r\nX: y\r\n z\r\n\r\n", "400", ENDS),
    C("9112 5: a trailer without a colon", CHUNKED "0\r\nX\r\n\r\n", "400", ENDS),
    C("9112 2.2: bare LF after a trailer", CHUNKED "0\r\nX: y\n\r\n", "400", ENDS),
    C("9112 2.2: bare CR in a trailer", CHUNKED "0\r\nX: y\rz\r\n\r\n", "400", ENDS),
    C("9110 5.5: NUL in a trailer", CHUNKED "0\r\nX: \0\r\n\r\n", "400", ENDS),
    C("a request as a trailer", CHUNKED "0\r\n" SMUGGLED "\r\n", "400", ENDS),
    C("6585 5: trailers past the limit", CHUNKED "0\r\nX: " X1000("01234") "\r\n\r\n", "431", ENDS),
};

#endif
