// DMA arena: anonymous memory, one IOMMU mapping and one external ArrayBuffer. Layer: native.
// Invariants: close detaches the buffer first, then unmaps the IOVA, then the memory; the memory goes only when
// JavaScript cannot reach it any more (a transferred buffer keeps it until it is collected) and exactly once.
#pragma once

#include <cstdint>
#include <memory>

#include "environment.h"

namespace ndis_vfio {

class Container;

// The pages. Shared by the arena and the ArrayBuffer's finalizer.
class Pages {
 public:
  Pages(napi_env env, std::size_t length);
  ~Pages() { Free(); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  void Free();
  void* data() const { return data_; }
  std::size_t length() const { return length_; }

 private:
  void* data_ = nullptr;
  std::size_t length_;
};

class DmaArena final : public Handle {
 public:
  static Napi::Value Allocate(Container& container, std::uint64_t length);
  DmaArena(Environment& environment, Container& container, std::uint64_t length);
  ~DmaArena() override;

 private:
  void Release() override;
  napi_value CreateBuffer();

  std::shared_ptr<Pages> pages_;
  std::uint64_t iova_ = 0;
  bool mapped_ = false;
  napi_ref buffer_ = nullptr;
};

}  // namespace ndis_vfio
