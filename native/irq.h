// Interrupt vectors: one eventfd and one uv_poll each, one SET_IRQS for all. Layer: native.
// Invariants: a wake-up drains its eventfd with one read and makes one call through a callback scope, so microtasks run
// before the next vector's call; no call follows close(), also not for wake-ups already signalled. Nothing is allocated
// on a wake-up.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "environment.h"

namespace ndis_vfio {

class Device;

class IrqSet final : public Handle, private Poll::Target {
 public:
  static Napi::Value OpenOnDevice(Device& device, std::uint32_t irqIndex, std::uint32_t count,
                                  Napi::Function callback);
  // Without a device: trigger() writes the eventfd itself.
  static Napi::Value OpenEventfds(const Napi::CallbackInfo& call);
  IrqSet(Environment& environment, Device* device, std::uint32_t irqIndex, std::uint32_t count,
         Napi::Function callback);

  Napi::Value Trigger(const Napi::CallbackInfo& call);
  Napi::Value Mask(const Napi::CallbackInfo& call);
  Napi::Value Unmask(const Napi::CallbackInfo& call);

 private:
  void Release() override;
  void OnReadable(unsigned vector) override;
  void Start();
  Napi::Value Act(const Napi::CallbackInfo& call, std::uint32_t action, const char* step);
  Napi::Object Expose();
  Device* device() const;

  std::uint32_t irqIndex_;
  std::shared_ptr<Listener> listener_;
  std::vector<Fd> eventfds_;
  std::vector<Poll::Owner> polls_;
  bool enabled_ = false;
};

}  // namespace ndis_vfio
