// A window of a device region mapped into the process, with the SIGBUS guard. Layer: native.
// Invariant: an access to a page the device no longer answers for (memory decode off, D3, removal) never kills the
// process: the handler puts a page of 0xFF bytes there and marks the mapping. The guard's table is the one piece of
// process-wide state of the addon, because a signal handler is process-wide; it holds atomics only.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include <napi.h>

namespace ndis_vfio {

class Mapping {
 public:
  // Maps `length` bytes at `fileOffset` (any alignment; whole pages are mapped around it). @throws errno of mmap.
  Mapping(napi_env env, int fd, std::uint64_t fileOffset, std::size_t length, const char* step);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  volatile std::uint8_t* data() const { return data_; }
  // Look after the access: the handler runs inside it.
  bool faulted() const { return faulted_->load(std::memory_order_relaxed); }
  const std::atomic<bool>* fault() const { return faulted_; }

 private:
  std::uint8_t* pages_ = nullptr;
  std::size_t pagesLength_ = 0;
  volatile std::uint8_t* data_ = nullptr;
  std::size_t slot_ = 0;
  const std::atomic<bool>* faulted_ = nullptr;
};

}  // namespace ndis_vfio
