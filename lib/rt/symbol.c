/* symbol.c: dladdr knows exported functions only; the others are in the object file's own symbol
 * table, which is not mapped, and read from the file. */
#include "symbol.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/debug.h>

#include "lock.h"

enum { OBJECTS_MAX = 16 };

/* One object's file, mapped. */
struct object {
    const void *base; /* where the object is loaded */
    const char *map;
    size_t bytes;
    const ElfW(Sym) * symbols;
    size_t count;
    const char *names;
    size_t names_bytes;
    uintptr_t bias; /* from a symbol's value to its address */
};

static struct {
    struct lock lock;
    struct object objects[OBJECTS_MAX];
    int count;
} cache;

static bool is_inside(const struct object *o, uint64_t offset, uint64_t bytes)
{
    return offset <= o->bytes && bytes <= o->bytes - offset;
}

/* Finds the symbol table in the mapped file; everything in it is checked against its size. */
static void find_symbols(struct object *o)
{
    const ElfW(Ehdr) *head = (const ElfW(Ehdr) *)o->map;
    if (o->bytes < sizeof *head || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 ||
        head->e_shentsize != sizeof(ElfW(Shdr)) ||
        !is_inside(o, head->e_shoff, (uint64_t)head->e_shnum * sizeof(ElfW(Shdr))))
        return;
    o->bias = head->e_type == ET_DYN ? (uintptr_t)o->base : 0;
    const ElfW(Shdr) *sections = (const ElfW(Shdr) *)(o->map + head->e_shoff);
    for (int i = 0; i < head->e_shnum; i++) {
        const ElfW(Shdr) *table = &sections[i];
        if (table->sh_type != SHT_SYMTAB || table->sh_link >= head->e_shnum ||
            table->sh_entsize != sizeof(ElfW(Sym)))
            continue;
        const ElfW(Shdr) *names = &sections[table->sh_link];
        if (!is_inside(o, table->sh_offset, table->sh_size) ||
            !is_inside(o, names->sh_offset, names->sh_size))
            continue;
        o->symbols = (const ElfW(Sym) *)(o->map + table->sh_offset);
        o->count = table->sh_size / sizeof(ElfW(Sym));
        o->names = o->map + names->sh_offset;
        o->names_bytes = names->sh_size;
    }
}

static struct object *object_locked(const void *base, const char *path)
{
    for (int i = 0; i < cache.count; i++)
        if (cache.objects[i].base == base)
            return &cache.objects[i];
    if (cache.count == OBJECTS_MAX)
        return NULL;
    struct object *o = &cache.objects[cache.count++];
    struct stat st;
    *o = (struct object){.base = base};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC); /* started by a relative path */
    if (fd < 0)
        return o;
    if (fstat(fd, &st) == 0 && st.st_size > 0) {
        void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map != MAP_FAILED) {
            o->map = map;
            o->bytes = (size_t)st.st_size;
            find_symbols(o);
        }
    }
    close(fd);
    return o;
}

/* The function that `address` is in; NULL when it is not known. */
static const char *name_locked(const struct object *o, uintptr_t address, uintptr_t *ret_start)
{
    for (size_t i = 0; i < o->count; i++) {
        const ElfW(Sym) *s = &o->symbols[i];
        uintptr_t start = o->bias + s->st_value;
        if (ELF64_ST_TYPE(s->st_info) != STT_FUNC || address < start ||
            address >= start + (s->st_size ? s->st_size : 1) || s->st_name >= o->names_bytes)
            continue;
        *ret_start = start;
        return o->names + s->st_name;
    }
    return NULL;
}

const char *symbol_describe(const void *address, char *buf, size_t size)
{
    Dl_info info = {0};
    uintptr_t at = (uintptr_t)address, start = 0;
    if (!address || !dladdr(address, &info) || !info.dli_fname) {
        snprintf(buf, size, "%p", address);
        return buf;
    }
    lock_take(&cache.lock);
    const struct object *o = object_locked(info.dli_fbase, info.dli_fname);
    const char *name = o ? name_locked(o, at, &start) : NULL;
    if (!name && info.dli_sname) {
        name = info.dli_sname;
        start = (uintptr_t)info.dli_saddr;
    }
    const char *slash = strrchr(info.dli_fname, '/');
    const char *file = slash ? slash + 1 : info.dli_fname;
    size_t offset = at - (uintptr_t)info.dli_fbase;
    if (name)
        snprintf(buf, size, "%s+0x%zx (%s+0x%zx)", name, (size_t)(at - start), file, offset);
    else
        snprintf(buf, size, "%s+0x%zx", file, offset);
    lock_release(&cache.lock);
    return buf;
}

const char *weft_describe_code(const void *address, char *buf, size_t size)
{
    return symbol_describe(address, buf, size);
}

void symbol_done(void)
{
    lock_take(&cache.lock);
    for (int i = 0; i < cache.count; i++)
        if (cache.objects[i].map)
            munmap((void *)cache.objects[i].map, cache.objects[i].bytes);
    cache.count = 0;
    lock_release(&cache.lock);
}
