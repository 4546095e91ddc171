/* weft/weft.h: all of weft's public interface. */
#ifndef WEFT_WEFT_H
#define WEFT_WEFT_H

#include <weft/base.h>
#include <weft/chan.h>
#include <weft/client.h>
#include <weft/context.h>
#include <weft/cookie.h>
#include <weft/debug.h>
#include <weft/files.h>
#include <weft/form.h>
#include <weft/group.h>
#include <weft/http.h>
#include <weft/metrics.h>
#include <weft/middleware.h>
#include <weft/net.h>
#include <weft/proxy.h>
#include <weft/rt.h>
#include <weft/stream.h>
#include <weft/sync.h>
#include <weft/test.h>
#include <weft/timer.h>
#include <weft/tls.h>
#include <weft/websocket.h>

#endif
