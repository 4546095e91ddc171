/* weft/chan.h: channels, and select over several of them.
 *
 * A channel passes values of one size from senders to receivers, by copying. Without a buffer a
 * sender waits until a receiver takes the value; with one it waits only while that is full. Values
 * come out in the order in which they went in. The sender closes: what is buffered is still
 * received, then receivers get -EPIPE.
 *
 * All of these may be called from an OS thread outside the runtime, too: it blocks where a
 * coroutine parks. A coroutine waits under its current context; a call that need not wait does not
 * look at it. */
#ifndef WEFT_CHAN_H
#define WEFT_CHAN_H

#include <weft/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_chan weft_chan;

/* Makes a channel of `elem_size` bytes a value (0: only the event counts) with room for `capacity`
 * values. NULL when memory is out. The caller owns it: weft_chan_free. Never parks. */
WEFT_API weft_chan *weft_chan_new(size_t elem_size, size_t capacity);

/* Frees a channel that nobody uses any more; values in the buffer are dropped. NULL-safe. Never
 * parks. */
WEFT_API void weft_chan_free(weft_chan *ch);

/* Sends the value at `value`, which is copied; parks while there is neither room nor a receiver.
 * Returns 0; -EPIPE when the channel is closed, also while waiting; -ECANCELED, -ETIMEDOUT when the
 * context ends meanwhile: then the value was not sent. */
WEFT_API WEFT_MUST_USE int weft_chan_send(weft_chan *ch, const void *value);

/* Receives a value into *ret_value; parks while there is none.
 * Returns 0; -EPIPE when the channel is closed and drained; -ECANCELED, -ETIMEDOUT. */
WEFT_API WEFT_MUST_USE int weft_chan_recv(weft_chan *ch, void *ret_value);

/* The same until `deadline`, a point of weft_now(): -ETIMEDOUT then; -ENOMEM when there is no
 * memory for a timer. */
WEFT_API WEFT_MUST_USE int weft_chan_send_until(weft_chan *ch, const void *value, int64_t deadline);
WEFT_API WEFT_MUST_USE int weft_chan_recv_until(weft_chan *ch, void *ret_value, int64_t deadline);

/* The same without waiting: -EAGAIN where they would. Never park. */
WEFT_API WEFT_MUST_USE int weft_chan_try_send(weft_chan *ch, const void *value);
WEFT_API WEFT_MUST_USE int weft_chan_try_recv(weft_chan *ch, void *ret_value);

/* Closes a channel, by its sender and once: a second close is a bug in the program and ends it with
 * a message. Senders and receivers that wait get -EPIPE. Never parks. */
WEFT_API void weft_chan_close(weft_chan *ch);

/* Values in the buffer at the moment. Never parks. */
WEFT_API size_t weft_chan_len(weft_chan *ch);

/* What one case of a select waits for. Made by the macros below. */
typedef struct weft_case {
    int op;
    weft_chan *chan; /* NULL: this case never comes */
    void *value;
    int64_t time;
} weft_case;

enum { WEFT_OP_SEND, WEFT_OP_RECV, WEFT_OP_AFTER, WEFT_OP_AT, WEFT_OP_DEFAULT };
enum { WEFT_SELECT_MAX = 256 };

/* The cases of a select:
 *   WEFT_SEND(ch, &value)   send a value
 *   WEFT_RECV(ch, &value)   receive a value
 *   WEFT_AFTER(ns)          so many nanoseconds have passed
 *   WEFT_AT(point)          a point of weft_now() has passed
 *   WEFT_DEFAULT            none of the others is ready: do not wait */
#ifdef __cplusplus
#define WEFT_CASE(op, chan, value, time) (weft_case{op, chan, (void *)(value), time})
#else
#define WEFT_CASE(op, chan, value, time) ((weft_case){op, chan, (void *)(value), time})
#endif
#define WEFT_SEND(chan, value_ptr) WEFT_CASE(WEFT_OP_SEND, chan, value_ptr, 0)
#define WEFT_RECV(chan, ret_value_ptr) WEFT_CASE(WEFT_OP_RECV, chan, ret_value_ptr, 0)
#define WEFT_AFTER(ns) WEFT_CASE(WEFT_OP_AFTER, NULL, NULL, ns)
#define WEFT_AT(point) WEFT_CASE(WEFT_OP_AT, NULL, NULL, point)
#define WEFT_DEFAULT WEFT_CASE(WEFT_OP_DEFAULT, NULL, NULL, 0)

/* What a select returns when case `index` met a closed channel, so that it is not taken for a
 * value: case 0: a value came. case WEFT_CLOSED(0): none will come any more. */
#define WEFT_CLOSED(index) ((index) + 0x10000)

/* Waits until one of the cases can go on, does it, and returns its index, or WEFT_CLOSED(index).
 * Of several that can go on at once it takes one at random. Allocates nothing.
 *
 * Returns also -ECANCELED, -ETIMEDOUT when the context ends meanwhile; -EINVAL for more than
 * WEFT_SELECT_MAX cases or none; -ENOMEM when there is no memory for a timer. Parks unless a case
 * is ready. */
WEFT_API int weft_select_cases(const weft_case *cases, int count);

#ifdef __cplusplus
}
template <typename... Cases> int weft_select(Cases... cases)
{
    weft_case all[] = {cases...};
    return weft_select_cases(all, (int)sizeof...(cases));
}
#else
#define weft_select(...)                                                                           \
    weft_select_cases((weft_case[]){__VA_ARGS__},                                                  \
                      (int)(sizeof((weft_case[]){__VA_ARGS__}) / sizeof(weft_case)))
#endif

/* Defines a channel type for values of one type, whose calls refuse another one at compile time:
 *
 *     WEFT_CHAN_DEFINE(orders, struct order)
 *     orders ch = orders_new(16);            // ch.chan is NULL when memory is out
 *     orders_send(ch, &order);  orders_recv(ch, &order);
 *     weft_select(orders_recv_case(ch, &order), WEFT_AFTER(WEFT_SEC));
 *     orders_close(ch);  orders_free(ch);
 *
 * Each call is the untyped one of that name. From the definition on, a pointer to the wrong type is
 * an error in the whole C file, as it is in C++ and since GCC 14; it was a warning before. */
#ifdef __cplusplus
#define WEFT_CHAN_STRICT
#else
#define WEFT_CHAN_STRICT _Pragma("GCC diagnostic error \"-Wincompatible-pointer-types\"")
#endif
#define WEFT_CHAN_INLINE static inline __attribute__((unused))

#define WEFT_CHAN_DEFINE(name, type)                                                               \
    WEFT_CHAN_STRICT                                                                               \
    typedef struct name {                                                                          \
        weft_chan *chan;                                                                           \
    } name;                                                                                        \
    WEFT_CHAN_INLINE name name##_new(size_t capacity)                                              \
    {                                                                                              \
        name ch;                                                                                   \
        ch.chan = weft_chan_new(sizeof(type), capacity);                                           \
        return ch;                                                                                 \
    }                                                                                              \
    WEFT_CHAN_INLINE void name##_free(name ch)                                                     \
    {                                                                                              \
        weft_chan_free(ch.chan);                                                                   \
    }                                                                                              \
    WEFT_CHAN_INLINE void name##_close(name ch)                                                    \
    {                                                                                              \
        weft_chan_close(ch.chan);                                                                  \
    }                                                                                              \
    WEFT_CHAN_INLINE WEFT_MUST_USE int name##_send(name ch, const type *value)                     \
    {                                                                                              \
        return weft_chan_send(ch.chan, value);                                                     \
    }                                                                                              \
    WEFT_CHAN_INLINE WEFT_MUST_USE int name##_recv(name ch, type *ret_value)                       \
    {                                                                                              \
        return weft_chan_recv(ch.chan, ret_value);                                                 \
    }                                                                                              \
    WEFT_CHAN_INLINE WEFT_MUST_USE int name##_send_until(name ch, const type *value,               \
                                                         int64_t deadline)                         \
    {                                                                                              \
        return weft_chan_send_until(ch.chan, value, deadline);                                     \
    }                                                                                              \
    WEFT_CHAN_INLINE WEFT_MUST_USE int name##_recv_until(name ch, type *ret_value,                 \
                                                         int64_t deadline)                         \
    {                                                                                              \
        return weft_chan_recv_until(ch.chan, ret_value, deadline);                                 \
    }                                                                                              \
    WEFT_CHAN_INLINE WEFT_MUST_USE int name##_try_send(name ch, const type *value)                 \
    {                                                                                              \
        return weft_chan_try_send(ch.chan, value);                                                 \
    }                                                                                              \
    WEFT_CHAN_INLINE WEFT_MUST_USE int name##_try_recv(name ch, type *ret_value)                   \
    {                                                                                              \
        return weft_chan_try_recv(ch.chan, ret_value);                                             \
    }                                                                                              \
    WEFT_CHAN_INLINE weft_case name##_send_case(name ch, const type *value)                        \
    {                                                                                              \
        return WEFT_SEND(ch.chan, value);                                                          \
    }                                                                                              \
    WEFT_CHAN_INLINE weft_case name##_recv_case(name ch, type *ret_value)                          \
    {                                                                                              \
        return WEFT_RECV(ch.chan, ret_value);                                                      \
    }

#endif
