/*
 * Prints how many kHz the host's time-stamp counter runs at. Layer: scripts (host side of the lab).
 * The guest's counter under TCG is the host's; a guest that has to measure it while the host is busy gets it wrong by
 * whole factors, and its clock with it. Here every reading is bracketed, and only undisturbed ones count.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The tightest of many pairs of counter and clock. */
static void sample(uint64_t *ticks, int64_t *ns) {
  uint64_t best = UINT64_MAX;
  for (int i = 0; i < 200; i++) {
    uint64_t before = __rdtsc();
    int64_t at = now_ns();
    uint64_t after = __rdtsc();
    if (after - before >= best) continue;
    best = after - before;
    *ticks = before + best / 2;
    *ns = at;
  }
}

int main(void) {
  uint64_t ticks[2];
  int64_t ns[2];
  sample(&ticks[0], &ns[0]);
  nanosleep(&(struct timespec){.tv_nsec = 40000000}, NULL);
  sample(&ticks[1], &ns[1]);
  printf("%.0f\n", (double)(ticks[1] - ticks[0]) * 1e6 / (double)(ns[1] - ns[0]));
  return 0;
}
