// Interrupt vectors. Layer: native. See irq.h.
#include "irq.h"

#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "vfio.h"

namespace ndis_vfio {
namespace {

// SET_IRQS with the given eventfds, or with none. Returns 0, errno, or minus the number of vectors the kernel could
// grant (for MSI and MSI-X it answers a request for too many that way).
int SetIrqs(int deviceFd, std::uint32_t flags, std::uint32_t index, std::uint32_t start, std::uint32_t count,
            const std::vector<Fd>* eventfds) {
  const std::size_t data = eventfds != nullptr ? eventfds->size() * sizeof(std::int32_t) : 0;
  std::vector<std::uint64_t> room((sizeof(vfio_irq_set) + data + 7) / 8);
  auto* set = reinterpret_cast<vfio_irq_set*>(room.data());
  set->argsz = static_cast<std::uint32_t>(sizeof(vfio_irq_set) + data);
  set->flags = flags;
  set->index = index;
  set->start = start;
  set->count = count;
  for (std::size_t i = 0; eventfds != nullptr && i < eventfds->size(); ++i) {
    const std::int32_t fd = (*eventfds)[i].get();
    std::memcpy(set->data + i * sizeof fd, &fd, sizeof fd);
  }
  const int result = ioctl(deviceFd, VFIO_DEVICE_SET_IRQS, set);
  return result < 0 ? errno : -result;
}

}  // namespace

IrqSet::IrqSet(Environment& environment, Device* device, std::uint32_t irqIndex, std::uint32_t count,
               Napi::Function callback)
    : Handle(environment, Kind::irq, device), irqIndex_(irqIndex) {
  listener_ = std::make_shared<Listener>(env(), callback, "Interrupt");
  eventfds_.reserve(count);
  for (std::uint32_t vector = 0; vector < count; ++vector) {
    eventfds_.emplace_back(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (eventfds_.back().get() < 0) ThrowErrno(env(), "eventfd", "create an interrupt's eventfd", errno);
  }
}

Device* IrqSet::device() const { return static_cast<Device*>(parent()); }

// Polls first, so that the first interrupt already finds its listener.
void IrqSet::Start() {
  polls_.reserve(eventfds_.size());
  for (unsigned vector = 0; vector < eventfds_.size(); ++vector) {
    polls_.push_back(Poll::Open(environment(), eventfds_[vector].get(), this, vector, listener_));
    polls_.back()->Start();
  }
  if (device() == nullptr) return;
  const int error = SetIrqs(device()->fd(), VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, irqIndex_, 0,
                            static_cast<std::uint32_t>(eventfds_.size()), &eventfds_);
  if (error > 0) ThrowErrno(env(), "ioctl", "VFIO_DEVICE_SET_IRQS", error);
  if (error < 0) {
    ThrowCode(env(), kVfio, "VFIO_DEVICE_SET_IRQS",
              "the kernel grants " + std::to_string(-error) + " of " + std::to_string(eventfds_.size()) + " vectors");
  }
  enabled_ = true;
}

void IrqSet::OnReadable(unsigned vector) {
  if (closed()) return;
  std::uint64_t wakes = 0;
  if (read(eventfds_[vector].get(), &wakes, sizeof wakes) != sizeof wakes || wakes == 0) return;
  const napi_env environment = env();
  const std::shared_ptr<Listener> listener = listener_;  // the listener may close this set
  napi_handle_scope scope = nullptr;
  if (napi_open_handle_scope(environment, &scope) != napi_ok) return;
  napi_value arguments[2];
  if (napi_create_uint32(environment, vector, &arguments[0]) == napi_ok &&
      napi_create_uint32(environment, wakes > 0xffff'ffff ? 0xffff'ffff : static_cast<std::uint32_t>(wakes),
                         &arguments[1]) == napi_ok) {
    listener->Call(2, arguments);
  }
  napi_close_handle_scope(environment, scope);
}

void IrqSet::Release() {
  if (enabled_) {
    SetIrqs(device()->fd(), VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, irqIndex_, 0, 0, nullptr);
    enabled_ = false;
  }
  polls_.clear();
  eventfds_.clear();
  listener_.reset();
}

Napi::Value IrqSet::Act(const Napi::CallbackInfo& call, std::uint32_t action, const char* step) {
  const auto vector =
      static_cast<std::uint32_t>(NumberArgument(call, 0, 0, static_cast<double>(eventfds_.size() - 1), step));
  int error = 0;
  if (device() != nullptr) {
    error = SetIrqs(device()->fd(), VFIO_IRQ_SET_DATA_NONE | action, irqIndex_, vector, 1, nullptr);
    if (error > 0) ThrowErrno(env(), "ioctl", std::string("VFIO_DEVICE_SET_IRQS ") + step, error);
  } else if (action == VFIO_IRQ_SET_ACTION_TRIGGER) {
    const std::uint64_t one = 1;
    if (write(eventfds_[vector].get(), &one, sizeof one) != sizeof one) ThrowErrno(env(), "write", step, errno);
  } else {
    ThrowErrno(env(), "ioctl", step, ENOTTY);  // what VFIO answers for kinds without a mask
  }
  return call.Env().Undefined();
}

Napi::Value IrqSet::Trigger(const Napi::CallbackInfo& call) {
  return Act(call, VFIO_IRQ_SET_ACTION_TRIGGER, "trigger(vector)");
}
Napi::Value IrqSet::Mask(const Napi::CallbackInfo& call) { return Act(call, VFIO_IRQ_SET_ACTION_MASK, "mask(vector)"); }
Napi::Value IrqSet::Unmask(const Napi::CallbackInfo& call) {
  return Act(call, VFIO_IRQ_SET_ACTION_UNMASK, "unmask(vector)");
}

Napi::Object IrqSet::Expose() {
  const auto self = std::static_pointer_cast<IrqSet>(shared_from_this());
  try {
    Start();
    return Surface(self)
        .Method<&IrqSet::Trigger>("trigger")
        .Method<&IrqSet::Mask>("mask")
        .Method<&IrqSet::Unmask>("unmask")
        .Done();
  } catch (...) {
    Close();
    throw;
  }
}

Napi::Value IrqSet::OpenOnDevice(Device& device, std::uint32_t irqIndex, std::uint32_t count,
                                 Napi::Function callback) {
  return Open<IrqSet>(device.environment(), &device, irqIndex, count, callback)->Expose();
}

Napi::Value IrqSet::OpenEventfds(const Napi::CallbackInfo& call) {
  const auto count = static_cast<std::uint32_t>(NumberArgument(call, 0, 1, 2048, "openEventfds(count)"));
  const Napi::Function callback = FunctionArgument(call, 1, "openEventfds(callback)");
  return Open<IrqSet>(Environment::Of(call.Env()), nullptr, 0U, count, callback)->Expose();
}

}  // namespace ndis_vfio
