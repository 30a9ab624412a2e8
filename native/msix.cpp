// Masking of single MSI-X vectors. Layer: native. See msix.h.
#include "msix.h"

#include <linux/pci_regs.h>

#include "vfio.h"

namespace ndis_vfio {
namespace {

std::unique_ptr<Mapping> MapPart(Device& device, std::uint32_t bar, std::uint64_t offset, std::uint64_t length,
                                 bool isTable, const char* step) {
  const RegionInfo region = device.QueryRegion(bar);
  if (offset % 8 != 0 || offset > region.size || region.size - offset < length) {
    ThrowCode(device.env(), kRange, step, "outside of BAR " + std::to_string(bar));
  }
  if ((region.flags & VFIO_REGION_INFO_FLAG_MMAP) == 0) {
    ThrowCode(device.env(), kVfio, step, "the kernel does not map this BAR");
  }
  if (isTable && !region.Has(VFIO_REGION_INFO_CAP_MSIX_MAPPABLE)) {
    ThrowCode(device.env(), kVfio, step, "the region lacks the MSIX_MAPPABLE capability");
  }
  return std::make_unique<Mapping>(device.env(), device.fd(), region.offset + offset, length, step);
}

}  // namespace

MsixTable::MsixTable(Environment& environment, Device& device, std::uint32_t tableBar, std::uint64_t tableOffset,
                     std::uint32_t pbaBar, std::uint64_t pbaOffset, std::uint32_t count)
    : Handle(environment, Kind::msix, &device), count_(count) {
  table_ = MapPart(device, tableBar, tableOffset, std::uint64_t{count} * PCI_MSIX_ENTRY_SIZE, true, "map MSI-X table");
  pending_ = MapPart(device, pbaBar, pbaOffset, (std::uint64_t{count} + 63) / 64 * 8, false, "map MSI-X pending bits");
}

void MsixTable::Release() {
  table_.reset();
  pending_.reset();
}

std::uint32_t MsixTable::VectorArgument(const Napi::CallbackInfo& call, const char* step) const {
  return static_cast<std::uint32_t>(NumberArgument(call, 0, 0, count_ - 1, step));
}

volatile std::uint32_t* MsixTable::VectorControl(std::uint32_t vector) const {
  return reinterpret_cast<volatile std::uint32_t*>(table_->data() + std::size_t{vector} * PCI_MSIX_ENTRY_SIZE +
                                                   PCI_MSIX_ENTRY_VECTOR_CTRL);
}

Napi::Value MsixTable::SetMasked(const Napi::CallbackInfo& call) {
  volatile std::uint32_t* control = VectorControl(VectorArgument(call, "setMasked(vector)"));
  if (!call[1].IsBoolean()) ThrowCode(env(), kArgument, "setMasked(masked)", "not a boolean");
  const bool masked = call[1].As<Napi::Boolean>();
  const std::uint32_t before = *control;
  if (table_->faulted()) return call.Env().Undefined();
  *control = masked ? before | PCI_MSIX_ENTRY_CTRL_MASKBIT : before & ~std::uint32_t{PCI_MSIX_ENTRY_CTRL_MASKBIT};
  // Writes are posted; the read back makes sure no message leaves after a mask returned.
  if (masked) static_cast<void>(*control);
  return call.Env().Undefined();
}

Napi::Value MsixTable::IsMasked(const Napi::CallbackInfo& call) {
  const std::uint32_t control = *VectorControl(VectorArgument(call, "isMasked(vector)"));
  return Napi::Boolean::New(call.Env(), (control & PCI_MSIX_ENTRY_CTRL_MASKBIT) != 0);
}

Napi::Value MsixTable::IsPending(const Napi::CallbackInfo& call) {
  const std::uint32_t vector = VectorArgument(call, "isPending(vector)");
  const std::uint32_t word = reinterpret_cast<volatile std::uint32_t*>(pending_->data())[vector / 32];
  return Napi::Boolean::New(call.Env(), !pending_->faulted() && (word >> (vector % 32) & 1) != 0);
}

Napi::Value MsixTable::Map(Device& device, std::uint32_t tableBar, std::uint64_t tableOffset, std::uint32_t pbaBar,
                           std::uint64_t pbaOffset, std::uint32_t count) {
  auto table = Open<MsixTable>(device.environment(), device, tableBar, tableOffset, pbaBar, pbaOffset, count);
  return Surface(table)
      .Number("count", count)
      .Method<&MsixTable::SetMasked>("setMasked")
      .Method<&MsixTable::IsMasked>("isMasked")
      .Method<&MsixTable::IsPending>("isPending")
      .Done();
}

}  // namespace ndis_vfio
