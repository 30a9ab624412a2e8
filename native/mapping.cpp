// Mappings of device regions and the SIGBUS guard. Layer: native. See mapping.h.
#include "mapping.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "errors.h"

namespace ndis_vfio {
namespace {

// One guarded range. `start` is published last and withdrawn first; 0 means free, 1 reserved.
struct Guard {
  std::atomic<std::uintptr_t> start{0};
  std::atomic<std::size_t> length{0};
  std::atomic<bool> faulted{false};
};

constexpr std::size_t kGuards = 256;
std::array<Guard, kGuards> guards;
struct sigaction previousAction;
std::size_t pageSize = 4096;

// Async-signal-safe: atomics, one mmap system call, plain stores.
void OnSigbus(int signal, siginfo_t* info, void* context) {
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  for (Guard& guard : guards) {
    const std::uintptr_t start = guard.start.load(std::memory_order_acquire);
    if (start <= 1 || address < start || address - start >= guard.length.load(std::memory_order_relaxed)) continue;
    const int savedErrno = errno;
    const std::uintptr_t page = address & ~(static_cast<std::uintptr_t>(pageSize) - 1);
    const long mapped = syscall(SYS_mmap, page, pageSize, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0L);
    errno = savedErrno;
    if (mapped == -1) break;
    auto* words = reinterpret_cast<volatile std::uint64_t*>(page);
    for (std::size_t index = 0; index < pageSize / sizeof(std::uint64_t); ++index) words[index] = ~std::uint64_t{0};
    guard.faulted.store(true, std::memory_order_relaxed);
    return;
  }
  if ((previousAction.sa_flags & SA_SIGINFO) != 0) {
    previousAction.sa_sigaction(signal, info, context);
  } else if (previousAction.sa_handler != SIG_DFL && previousAction.sa_handler != SIG_IGN) {
    previousAction.sa_handler(signal);
  } else {
    // Back to the default action; the access repeats after this return and ends the process as it should.
    struct sigaction fallback {};
    fallback.sa_handler = SIG_DFL;
    sigaction(SIGBUS, &fallback, nullptr);
    if (info->si_code <= 0) raise(signal);  // sent by kill(): nothing would repeat
  }
}

void InstallGuard() {
  static std::once_flag once;
  std::call_once(once, [] {
    pageSize = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    struct sigaction action {};
    action.sa_sigaction = OnSigbus;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &previousAction);
  });
}

}  // namespace

Mapping::Mapping(napi_env env, int fd, std::uint64_t fileOffset, std::size_t length, const char* step) {
  InstallGuard();
  const std::size_t lead = fileOffset & (pageSize - 1);
  pagesLength_ = (lead + length + pageSize - 1) & ~(pageSize - 1);
  for (slot_ = 0; slot_ < kGuards; ++slot_) {
    std::uintptr_t expected = 0;
    if (guards[slot_].start.compare_exchange_strong(expected, 1)) break;
  }
  if (slot_ == kGuards) ThrowCode(env, kVfio, step, "too many device mappings in this process");
  Guard& guard = guards[slot_];
  void* pages = mmap(nullptr, pagesLength_, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                     static_cast<off_t>(fileOffset - lead));
  if (pages == MAP_FAILED) {
    const int error = errno;
    guard.start.store(0);
    ThrowErrno(env, "mmap", step, error);
  }
  pages_ = static_cast<std::uint8_t*>(pages);
  data_ = pages_ + lead;
  faulted_ = &guard.faulted;
  guard.faulted.store(false, std::memory_order_relaxed);
  guard.length.store(pagesLength_, std::memory_order_relaxed);
  guard.start.store(reinterpret_cast<std::uintptr_t>(pages), std::memory_order_release);
}

Mapping::~Mapping() {
  munmap(pages_, pagesLength_);
  guards[slot_].start.store(0, std::memory_order_release);
}

}  // namespace ndis_vfio
