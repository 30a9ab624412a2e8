// A TAP interface: batched frames straight from and to caller memory, and its few settings. Layer: native.
// Invariants: the descriptor never blocks; pairs are checked against the memory before a byte moves; the interface
// disappears with the handle (not persistent).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "environment.h"

namespace ndis_vfio {

class Tap final : public Handle, private Poll::Target {
 public:
  static Napi::Value OpenTap(const Napi::CallbackInfo& call);
  Tap(Environment& environment, const std::string& name);

  Napi::Value ReadBatch(const Napi::CallbackInfo& call);
  Napi::Value WriteBatch(const Napi::CallbackInfo& call);
  Napi::Value GetWriteErrors(const Napi::CallbackInfo& call);
  Napi::Value SetReadable(const Napi::CallbackInfo& call);
  Napi::Value SetCarrier(const Napi::CallbackInfo& call);
  Napi::Value SetMtu(const Napi::CallbackInfo& call);
  Napi::Value GetMtu(const Napi::CallbackInfo& call);
  Napi::Value SetMac(const Napi::CallbackInfo& call);
  Napi::Value GetMac(const Napi::CallbackInfo& call);
  Napi::Value SetUp(const Napi::CallbackInfo& call);

 private:
  struct Batch {
    std::uint8_t* memory;
    std::uint32_t* pairs;
    std::uint32_t count;
  };
  void Release() override;
  void OnReadable(unsigned index) override;
  Batch BatchArguments(const Napi::CallbackInfo& call, std::size_t countAt, std::uint32_t from, const char* step) const;

  Fd fd_;
  Fd control_;  // any socket serves the SIOC ioctls; kept open because it stays in the namespace of the TAP's creation
  std::string name_;
  double writeErrors_ = 0;
  Poll::Owner poll_;
  std::shared_ptr<Listener> listener_;
};

}  // namespace ndis_vfio
