#include "nearest.h"

#include <string.h>

enum { LONGEST = 32, FARTHEST = 3 };

/* How many edits turn one word into another, counted up to a handful (Levenshtein). */
static size_t distance(const char *a, const char *b)
{
    size_t row[LONGEST + 1], a_len = strlen(a), b_len = strlen(b);
    if (a_len > LONGEST || b_len > LONGEST)
        return LONGEST;
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t above = row[j], best = diagonal + (a[i - 1] != b[j - 1]);
            best = above + 1 < best ? above + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            diagonal = above;
            row[j] = best;
        }
    }
    return row[b_len];
}

struct nearest nearest_to(const char *given)
{
    return (struct nearest){.given = given, .distance = FARTHEST + 1};
}

void nearest_offer(struct nearest *n, const char *word)
{
    size_t d = distance(n->given, word);
    if (d < n->distance && d < strlen(word)) { /* not a word of which nothing is left */
        n->distance = d;
        n->best = word;
    }
}
