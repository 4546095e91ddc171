/* weft/json.h: JSON bodies and answers by yyjson, in the request's memory.
 *
 *     static int create(weft_http *h, void *arg)
 *     {
 *         yyjson_doc *doc;
 *         int rc = weft_json_body(h, &doc);
 *         if (rc < 0)
 *             return rc;
 *         const char *name = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "name"));
 *         ...
 *     }
 *
 * yyjson's own functions read and build the documents; none of them has to be freed. Programs that
 * include this header link yyjson, which pkg-config knows. Answers from a format need neither: see
 * weft_json. */
#ifndef WEFT_JSON_H
#define WEFT_JSON_H

#include <weft/http.h>
#include <yyjson.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Reads the body as JSON (RFC 8259), bounded by the body limit; the document and its strings live
 * as long as the request. Returns 0; -EPROTO for a content type other than application/json and
 * .../...+json (answers 415); -EINVAL for what is no JSON (400); weft_body_all's errors. Parks. */
WEFT_API int weft_json_body(weft_http *h, yyjson_doc **ret_doc);

/* yyjson's allocator over weft_alloc, for documents that live as long as the request; freeing does
 * nothing. Never parks. */
WEFT_API yyjson_alc weft_json_alc(weft_http *h);

/* Answers with a document. Returns as weft_bytes; -EINVAL for a document that cannot be written
 * (infinity, bytes that are no UTF-8). May park. */
WEFT_API int weft_json_doc(weft_http *h, int status, const yyjson_mut_doc *doc);

#ifdef __cplusplus
}
#endif
#endif
