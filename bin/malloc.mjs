/**
 * The environment that the server is started with. glibc keeps an arena of memory for every thread, and what threads leave in theirs is lost to the
 * others: with one for all, the server holds a tenth less.
 */
export const malloc = { MALLOC_ARENA_MAX: '1' };
