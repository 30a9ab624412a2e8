// The MSI-X table's vector-control bit and the pending bits, through mapped pages. Layer: native.
// Invariant: bit 0 of a vector-control word is the only thing ever written; address and data belong to the kernel.
// Source: PCI Local Bus 3.0, 6.8.2 (table entry of 16 bytes, vector control at 12; one pending bit per vector).
#pragma once

#include <cstdint>
#include <memory>

#include "environment.h"
#include "mapping.h"

namespace ndis_vfio {

class Device;

class MsixTable final : public Handle {
 public:
  // @throws ERR_VFIO where a region does not offer to map the pages in question.
  static Napi::Value Map(Device& device, std::uint32_t tableBar, std::uint64_t tableOffset, std::uint32_t pbaBar,
                         std::uint64_t pbaOffset, std::uint32_t count);
  MsixTable(Environment& environment, Device& device, std::uint32_t tableBar, std::uint64_t tableOffset,
            std::uint32_t pbaBar, std::uint64_t pbaOffset, std::uint32_t count);

  Napi::Value SetMasked(const Napi::CallbackInfo& call);
  Napi::Value IsMasked(const Napi::CallbackInfo& call);
  Napi::Value IsPending(const Napi::CallbackInfo& call);

 private:
  void Release() override;
  std::uint32_t VectorArgument(const Napi::CallbackInfo& call, const char* step) const;
  volatile std::uint32_t* VectorControl(std::uint32_t vector) const;

  std::uint32_t count_;
  std::unique_ptr<Mapping> table_;
  std::unique_ptr<Mapping> pending_;
};

}  // namespace ndis_vfio
