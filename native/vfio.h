// VFIO container, group and device (type1v2). Layer: native.
// Invariants: the first group sets the IOMMU and the last one to leave ends it, with every DMA mapping closed before.
// Close order (container, group or device first, all the same): bus master off, interrupts, DMA, mappings, device,
// group, container. The kernel resets the function when its last descriptor closes.
#pragma once

#include <linux/vfio.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "environment.h"

namespace ndis_vfio {

struct Range {
  std::uint64_t first;
  std::uint64_t last;  // inclusive
};

class Container final : public Handle {
 public:
  explicit Container(Environment& environment);

  Napi::Value OpenGroup(const Napi::CallbackInfo& call);
  Napi::Value AllocateDma(const Napi::CallbackInfo& call);
  Napi::Value GetMappingCount(const Napi::CallbackInfo& call);

  int fd() const { return fd_.get(); }
  bool iommuSet() const { return iommuSet_; }
  void SetIommuOnce();
  // The last group is about to leave: nothing may stay mapped.
  void GroupLeaving();
  // A free IOVA range of `length` bytes below 4 GiB, first fit. @throws ERR_VFIO when there is none.
  std::uint64_t ReserveIova(std::uint64_t length, std::uint64_t alignment);
  void ReleaseIova(std::uint64_t first);

 private:
  void Release() override;
  std::vector<Range> UsableRanges();

  Fd fd_;
  bool iommuSet_ = false;
  std::vector<Range> reserved_;  // sorted by first
};

class Group final : public Handle {
 public:
  Group(Environment& environment, Container& container, unsigned number);

  Napi::Value OpenDevice(const Napi::CallbackInfo& call);
  Container& container() const { return *static_cast<Container*>(parent()); }
  void QuiesceDevices();

 private:
  void Release() override;

  Fd fd_;
};

struct RegionInfo {
  std::uint32_t flags = 0;
  std::uint64_t size = 0;
  std::uint64_t offset = 0;
  std::vector<std::uint32_t> capabilities;
  struct Area {
    std::uint64_t offset;
    std::uint64_t size;
  };
  std::vector<Area> sparse;
  bool Has(std::uint32_t capability) const;
};

class Device final : public Handle {
 public:
  Device(Environment& environment, Group& group, int groupFd, const std::string& address);

  Napi::Value GetRegionInfo(const Napi::CallbackInfo& call);
  Napi::Value GetIrqInfo(const Napi::CallbackInfo& call);
  Napi::Value ReadConfig(const Napi::CallbackInfo& call);
  Napi::Value WriteConfig(const Napi::CallbackInfo& call);
  Napi::Value MapBar(const Napi::CallbackInfo& call);
  Napi::Value MapMsix(const Napi::CallbackInfo& call);
  Napi::Value OpenIrqs(const Napi::CallbackInfo& call);
  Napi::Value Reset(const Napi::CallbackInfo& call);
  Napi::Value SetBusMaster(const Napi::CallbackInfo& call);

  int fd() const { return fd_.get(); }
  const vfio_device_info& info() const { return info_; }
  RegionInfo QueryRegion(std::uint32_t index) const;
  // Where the MSI-X table lies in this BAR; length 0: elsewhere.
  RegionInfo::Area MsixTableIn(std::uint32_t bar) const;
  // Bus master off, interrupts closed. Also when the device no longer answers; never throws.
  void Quiesce();

 private:
  void Release() override;
  bool WriteBusMaster(bool on, int* error);

  Fd fd_;
  vfio_device_info info_{};
  std::uint64_t configOffset_ = 0;
  std::uint64_t configSize_ = 0;
};

Napi::Value OpenContainer(const Napi::CallbackInfo& call);

}  // namespace ndis_vfio
