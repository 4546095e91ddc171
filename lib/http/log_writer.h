/* log_writer.h: lines on their way to a file, without whoever writes them waiting for it.
 *
 * Lines gather in one buffer while a thread writes the other out. A line that finds its buffer full
 * is dropped and counted. */
#ifndef HTTP_LOG_WRITER_H
#define HTTP_LOG_WRITER_H

#include <stddef.h>
#include <stdint.h>
#include <weft/base.h>

struct log_writer;

/* Takes over the descriptor `fd`. buffer_bytes: of each of the two buffers. Returns 0; -ENOMEM;
 * -EAGAIN when there is no thread; then fd is the caller's. */
WEFT_MUST_USE int log_writer_open(int fd, size_t buffer_bytes, struct log_writer **ret_writer);

/* Puts a line, its newline included. Never waits for the disk. Any thread. */
void log_writer_put(struct log_writer *w, const char *line, size_t len);

/* Writes what is there to the old descriptor, and goes on with `fd`, which it takes over. Blocks.
 */
void log_writer_switch(struct log_writer *w, int fd);

/* Waits until what was put so far is written. Returns 0; -ETIMEDOUT; the last write's error. */
int log_writer_flush(struct log_writer *w, int64_t timeout);

uint64_t log_writer_dropped(const struct log_writer *w);

/* Writes what is left, for a second at most, and frees it. NULL-safe. */
void log_writer_close(struct log_writer *w);

#endif
