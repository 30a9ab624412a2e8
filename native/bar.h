// A mapped BAR. Layer: native.
// Invariants: every access is checked for bounds and alignment; the MSI-X table is readable here but never written
// (address and data of an entry belong to the kernel, its mask bit to msix.cpp); where the kernel offers no mmap the
// access goes through pread/pwrite; after a fault every read gives all ones and writes are dropped.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "environment.h"
#include "mapping.h"

namespace ndis_vfio {

class Device;

class Bar final : public Handle {
 public:
  static Napi::Value Map(Device& device, std::uint32_t index);
  Bar(Environment& environment, Device& device, std::uint32_t index);

  Napi::Value GetFaulted(const Napi::CallbackInfo& call);
  template <typename Word>
  static napi_value Read(napi_env env, napi_callback_info info);
  template <typename Word>
  static napi_value Write(napi_env env, napi_callback_info info);

 private:
  struct Area {
    std::uint64_t offset;
    std::uint64_t length;
    std::unique_ptr<Mapping> mapping;
  };
  void Release() override;
  template <typename Word>
  std::uint64_t CheckedOffset(napi_value offset, const char* step) const;
  template <typename Word>
  std::uint32_t ReadSlowly(napi_value offset);
  template <typename Word>
  void WriteSlowly(napi_value offset, std::uint32_t value);
  const Area* AreaOf(std::uint64_t offset, std::size_t width) const;
  bool AnyFault() const;

  // The fast path: [0, readEnd) is mapped in one piece at base, [0, writeEnd) may also be written. 0 after close.
  volatile std::uint8_t* base_ = nullptr;
  const std::atomic<bool>* fault_ = nullptr;
  std::uint32_t readEnd_ = 0;
  std::uint32_t writeEnd_ = 0;

  std::uint64_t length_ = 0;
  std::uint64_t fileOffset_ = 0;
  std::uint64_t tableStart_ = 0;
  std::uint64_t tableLength_ = 0;
  std::vector<Area> areas_;
  bool failed_ = false;  // a pread or pwrite failed: the device no longer answers
};

}  // namespace ndis_vfio
