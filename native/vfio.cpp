// VFIO container, group and device. Layer: native. See vfio.h.
// Source: linux/vfio.h and Documentation/driver-api/vfio.rst of the kernel.
#include "vfio.h"

#include <fcntl.h>
#include <linux/pci_regs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "bar.h"
#include "dma.h"
#include "irq.h"
#include "msix.h"

namespace ndis_vfio {
namespace {

// Bus addresses a DMA mapping may take: above the first MiB, so that a zeroed descriptor faults; below 4 GiB, so that
// the high word of every descriptor address stays 0; outside of the x86 MSI window.
constexpr std::uint64_t kLowestIova = 0x10'0000;
constexpr std::uint64_t kHighestIova = 0xffff'ffff;
constexpr Range kMsiWindow = {0xfee0'0000, 0xfeef'ffff};
constexpr std::uint64_t kPage = 4096;

// Room for an answer with capabilities: the kernel says in argsz how much it needs.
std::vector<std::uint64_t> QueryWithCapabilities(int fd, unsigned long request, std::size_t base, std::uint32_t index,
                                                 std::size_t indexAt, int* error) {
  std::vector<std::uint64_t> answer((base + 7) / 8);
  for (int attempt = 0; attempt < 4; ++attempt) {
    const auto room = static_cast<std::uint32_t>(answer.size() * 8);
    std::fill(answer.begin(), answer.end(), 0);
    auto* bytes = reinterpret_cast<std::uint8_t*>(answer.data());
    std::memcpy(bytes, &room, sizeof room);
    if (indexAt != 0) std::memcpy(bytes + indexAt, &index, sizeof index);
    if (ioctl(fd, request, bytes) != 0) {
      *error = errno;
      return {};
    }
    std::uint32_t needed = 0;
    std::memcpy(&needed, bytes, sizeof needed);
    if (needed <= room) break;
    answer.resize((needed + 7) / 8);
  }
  *error = 0;
  return answer;
}

// Calls `each(id, offset of the capability, bytes, size)` along a capability chain.
template <typename Each>
void WalkCapabilities(const std::vector<std::uint64_t>& answer, std::uint32_t first, Each&& each) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(answer.data());
  const std::size_t size = answer.size() * 8;
  std::uint32_t at = first;
  for (int guard = 0; at != 0 && at + sizeof(vfio_info_cap_header) <= size && guard < 64; ++guard) {
    vfio_info_cap_header header;
    std::memcpy(&header, bytes + at, sizeof header);
    each(header.id, at, bytes, size);
    at = header.next;
  }
}

}  // namespace

Container::Container(Environment& environment) : Handle(environment, Kind::container, nullptr) {
  fd_ = Fd(::open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC));
  if (fd_.get() < 0) ThrowErrno(env(), "open", "open /dev/vfio/vfio", errno);
  const int version = ioctl(fd_.get(), VFIO_GET_API_VERSION);
  if (version < 0) ThrowErrno(env(), "ioctl", "VFIO_GET_API_VERSION", errno);
  if (version != VFIO_API_VERSION) ThrowCode(env(), kVfio, "VFIO_GET_API_VERSION", "unknown API version");
  if (ioctl(fd_.get(), VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) != 1) {
    ThrowCode(env(), kVfio, "VFIO_CHECK_EXTENSION", "the kernel lacks the type1v2 IOMMU (module vfio_iommu_type1)");
  }
}

Napi::Value Container::OpenGroup(const Napi::CallbackInfo& call) {
  const auto number = static_cast<unsigned>(NumberArgument(call, 0, 0, 0x7fff'ffff, "openGroup(group)"));
  auto group = Open<Group>(environment(), *this, number);
  try {
    SetIommuOnce();
  } catch (...) {
    group->Close();
    throw;
  }
  return Surface(group)
      .Value("viable", Napi::Boolean::New(env(), true))
      .Method<&Group::OpenDevice>("openDevice")
      .Done();
}

void Container::SetIommuOnce() {
  if (iommuSet_) return;
  if (ioctl(fd_.get(), VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) != 0) ThrowErrno(env(), "ioctl", "VFIO_SET_IOMMU", errno);
  iommuSet_ = true;
}

void Container::GroupLeaving() {
  if (Children(Kind::group).size() > 1) return;
  CloseChildren(Kind::dma);
  iommuSet_ = false;
}

std::vector<Range> Container::UsableRanges() {
  int error = 0;
  const auto answer =
      QueryWithCapabilities(fd_.get(), VFIO_IOMMU_GET_INFO, sizeof(vfio_iommu_type1_info), 0, 0, &error);
  if (error != 0) ThrowErrno(env(), "ioctl", "VFIO_IOMMU_GET_INFO", error);
  vfio_iommu_type1_info info;
  std::memcpy(&info, answer.data(), sizeof info);
  std::vector<Range> offered;
  if ((info.flags & VFIO_IOMMU_INFO_CAPS) != 0) {
    WalkCapabilities(answer, info.cap_offset,
                     [&](std::uint32_t id, std::uint32_t at, const std::uint8_t* bytes, std::size_t size) {
                       if (id != VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE) return;
                       vfio_iommu_type1_info_cap_iova_range list;
                       std::memcpy(&list, bytes + at, sizeof list);
                       std::size_t entry = at + sizeof list;
                       for (std::uint32_t i = 0; i < list.nr_iovas && entry + sizeof(vfio_iova_range) <= size; ++i) {
                         vfio_iova_range range;
                         std::memcpy(&range, bytes + entry, sizeof range);
                         offered.push_back({range.start, range.end});
                         entry += sizeof range;
                       }
                     });
  }
  if (offered.empty()) offered.push_back({0, kHighestIova});  // kernels before 5.4 name no ranges
  std::sort(offered.begin(), offered.end(), [](const Range& a, const Range& b) { return a.first < b.first; });
  std::vector<Range> usable;
  for (const Range& range : offered) {
    const std::uint64_t first = std::max(range.first, kLowestIova);
    const std::uint64_t last = std::min(range.last, kHighestIova);
    if (first > last) continue;
    if (first < kMsiWindow.first) usable.push_back({first, std::min(last, kMsiWindow.first - 1)});
    if (last > kMsiWindow.last) usable.push_back({std::max(first, kMsiWindow.last + 1), last});
  }
  return usable;
}

// An unmapped page stays behind every range: a device that runs past the end of one faults instead of hitting the next.
std::uint64_t Container::ReserveIova(std::uint64_t length, std::uint64_t alignment) {
  for (const Range& range : UsableRanges()) {
    std::uint64_t candidate = (range.first + alignment - 1) & ~(alignment - 1);
    for (const Range& taken : reserved_) {
      if (taken.last + kPage < candidate) continue;
      if (taken.first > candidate + length - 1 + kPage) break;
      candidate = (taken.last + 1 + kPage + alignment - 1) & ~(alignment - 1);
    }
    if (candidate >= range.first && candidate + length - 1 <= range.last) {
      const Range found = {candidate, candidate + length - 1};
      reserved_.insert(std::upper_bound(reserved_.begin(), reserved_.end(), found,
                                        [](const Range& a, const Range& b) { return a.first < b.first; }),
                       found);
      return candidate;
    }
  }
  ThrowCode(env(), kVfio, "allocate an IOVA", "no free range of this length below 4 GiB");
}

void Container::ReleaseIova(std::uint64_t first) {
  const auto found =
      std::find_if(reserved_.begin(), reserved_.end(), [&](const Range& each) { return each.first == first; });
  if (found != reserved_.end()) reserved_.erase(found);
}

Napi::Value Container::AllocateDma(const Napi::CallbackInfo& call) {
  const double length = NumberArgument(call, 0, 1, 0x8000'0000, "allocateDma(lengthBytes)");
  return DmaArena::Allocate(*this, static_cast<std::uint64_t>(length));
}

Napi::Value Container::GetMappingCount(const Napi::CallbackInfo& call) {
  return Napi::Number::New(call.Env(), static_cast<double>(reserved_.size()));
}

void Container::Release() {
  for (const auto& group : Children(Kind::group)) static_cast<Group*>(group.get())->QuiesceDevices();
  CloseChildren(Kind::dma);
  CloseChildren(Kind::group);
  fd_.Close();
}

Group::Group(Environment& environment, Container& container, unsigned number)
    : Handle(environment, Kind::group, &container) {
  const std::string path = "/dev/vfio/" + std::to_string(number);
  fd_ = Fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (fd_.get() < 0) ThrowErrno(env(), "open", "open " + path, errno);
  vfio_group_status status{};
  status.argsz = sizeof status;
  if (ioctl(fd_.get(), VFIO_GROUP_GET_STATUS, &status) != 0) ThrowErrno(env(), "ioctl", "VFIO_GROUP_GET_STATUS", errno);
  if ((status.flags & VFIO_GROUP_FLAGS_VIABLE) == 0) {
    ThrowCode(env(), kVfio, "VFIO_GROUP_GET_STATUS", "the group is not viable: a member is bound to a kernel driver");
  }
  const int containerFd = container.fd();
  if (ioctl(fd_.get(), VFIO_GROUP_SET_CONTAINER, &containerFd) != 0) {
    ThrowErrno(env(), "ioctl", "VFIO_GROUP_SET_CONTAINER", errno);
  }
}

Napi::Value Group::OpenDevice(const Napi::CallbackInfo& call) {
  const std::string address = StringArgument(call, 0, "openDevice(address)");
  auto device = Open<Device>(environment(), *this, fd_.get(), address);
  return Surface(device)
      .Number("flags", device->info().flags)
      .Number("regionCount", device->info().num_regions)
      .Number("irqCount", device->info().num_irqs)
      .Method<&Device::GetRegionInfo>("regionInfo")
      .Method<&Device::GetIrqInfo>("irqInfo")
      .Method<&Device::ReadConfig>("readConfig")
      .Method<&Device::WriteConfig>("writeConfig")
      .Method<&Device::MapBar>("mapBar")
      .Method<&Device::MapMsix>("mapMsix")
      .Method<&Device::OpenIrqs>("openIrqs")
      .Method<&Device::Reset>("reset")
      .Method<&Device::SetBusMaster>("setBusMaster")
      .Done();
}

void Group::QuiesceDevices() {
  for (const auto& device : Children(Kind::device)) static_cast<Device*>(device.get())->Quiesce();
}

void Group::Release() {
  QuiesceDevices();
  container().GroupLeaving();
  CloseChildren(Kind::device);
  fd_.Close();
}

bool RegionInfo::Has(std::uint32_t capability) const {
  return std::find(capabilities.begin(), capabilities.end(), capability) != capabilities.end();
}

Device::Device(Environment& environment, Group& group, int groupFd, const std::string& address)
    : Handle(environment, Kind::device, &group) {
  fd_ = Fd(ioctl(groupFd, VFIO_GROUP_GET_DEVICE_FD, address.c_str()));
  if (fd_.get() < 0) ThrowErrno(env(), "ioctl", "VFIO_GROUP_GET_DEVICE_FD", errno);
  fcntl(fd_.get(), F_SETFD, FD_CLOEXEC);
  info_.argsz = sizeof info_;
  if (ioctl(fd_.get(), VFIO_DEVICE_GET_INFO, &info_) != 0) ThrowErrno(env(), "ioctl", "VFIO_DEVICE_GET_INFO", errno);
  if ((info_.flags & VFIO_DEVICE_FLAGS_PCI) == 0) ThrowCode(env(), kVfio, "VFIO_DEVICE_GET_INFO", "not a PCI device");
  const RegionInfo config = QueryRegion(VFIO_PCI_CONFIG_REGION_INDEX);
  configOffset_ = config.offset;
  configSize_ = config.size;
}

RegionInfo Device::QueryRegion(std::uint32_t index) const {
  int error = 0;
  const auto answer = QueryWithCapabilities(fd_.get(), VFIO_DEVICE_GET_REGION_INFO, sizeof(vfio_region_info), index,
                                            offsetof(vfio_region_info, index), &error);
  if (error != 0) ThrowErrno(env(), "ioctl", "VFIO_DEVICE_GET_REGION_INFO", error);
  vfio_region_info info;
  std::memcpy(&info, answer.data(), sizeof info);
  RegionInfo region;
  region.flags = info.flags;
  region.size = info.size;
  region.offset = info.offset;
  if ((info.flags & VFIO_REGION_INFO_FLAG_CAPS) == 0) return region;
  WalkCapabilities(answer, info.cap_offset,
                   [&](std::uint32_t id, std::uint32_t at, const std::uint8_t* bytes, std::size_t size) {
                     region.capabilities.push_back(id);
                     if (id != VFIO_REGION_INFO_CAP_SPARSE_MMAP) return;
                     vfio_region_info_cap_sparse_mmap list;
                     std::memcpy(&list, bytes + at, sizeof list);
                     std::size_t entry = at + sizeof list;
                     for (std::uint32_t i = 0; i < list.nr_areas && entry + sizeof(vfio_region_sparse_mmap_area) <= size;
                          ++i) {
                       vfio_region_sparse_mmap_area area;
                       std::memcpy(&area, bytes + entry, sizeof area);
                       region.sparse.push_back({area.offset, area.size});
                       entry += sizeof area;
                     }
                   });
  return region;
}

Napi::Value Device::GetRegionInfo(const Napi::CallbackInfo& call) {
  const RegionInfo region =
      QueryRegion(static_cast<std::uint32_t>(NumberArgument(call, 0, 0, 0xffff, "regionInfo(index)")));
  const Napi::Object result = Napi::Object::New(env());
  result.Set("flags", Napi::Number::New(env(), region.flags));
  result.Set("sizeBytes", Napi::Number::New(env(), static_cast<double>(region.size)));
  result.Set("fileOffset", Napi::Number::New(env(), static_cast<double>(region.offset)));
  const Napi::Array capabilities = Napi::Array::New(env(), region.capabilities.size());
  for (std::uint32_t i = 0; i < region.capabilities.size(); ++i) {
    capabilities.Set(i, Napi::Number::New(env(), region.capabilities[i]));
  }
  result.Set("capabilities", capabilities);
  const Napi::Array areas = Napi::Array::New(env(), region.sparse.size());
  for (std::uint32_t i = 0; i < region.sparse.size(); ++i) {
    const Napi::Object area = Napi::Object::New(env());
    area.Set("offset", Napi::Number::New(env(), static_cast<double>(region.sparse[i].offset)));
    area.Set("sizeBytes", Napi::Number::New(env(), static_cast<double>(region.sparse[i].size)));
    areas.Set(i, area);
  }
  result.Set("sparseAreas", areas);
  return result;
}

Napi::Value Device::GetIrqInfo(const Napi::CallbackInfo& call) {
  vfio_irq_info info{};
  info.argsz = sizeof info;
  info.index = static_cast<std::uint32_t>(NumberArgument(call, 0, 0, 0xffff, "irqInfo(index)"));
  if (ioctl(fd_.get(), VFIO_DEVICE_GET_IRQ_INFO, &info) != 0) {
    ThrowErrno(env(), "ioctl", "VFIO_DEVICE_GET_IRQ_INFO", errno);
  }
  const Napi::Object result = Napi::Object::New(env());
  result.Set("flags", Napi::Number::New(env(), info.flags));
  result.Set("count", Napi::Number::New(env(), info.count));
  return result;
}

Napi::Value Device::ReadConfig(const Napi::CallbackInfo& call) {
  const double offset = NumberArgument(call, 0, 0, static_cast<double>(configSize_), "readConfig(offset)");
  const Bytes into = BytesArgument(call, 1, "readConfig(into)");
  const std::size_t length = std::min<std::size_t>(into.length, configSize_ - static_cast<std::uint64_t>(offset));
  const ssize_t moved = length == 0 ? 0
                                    : pread(fd_.get(), into.data, length,
                                            static_cast<off_t>(configOffset_ + static_cast<std::uint64_t>(offset)));
  if (moved < 0) ThrowErrno(env(), "pread", "read configuration space", errno);
  return Napi::Number::New(env(), static_cast<double>(moved));
}

Napi::Value Device::WriteConfig(const Napi::CallbackInfo& call) {
  const double offset = NumberArgument(call, 0, 0, static_cast<double>(configSize_), "writeConfig(offset)");
  const Bytes from = BytesArgument(call, 1, "writeConfig(from)");
  const std::size_t length = std::min<std::size_t>(from.length, configSize_ - static_cast<std::uint64_t>(offset));
  const ssize_t moved = length == 0 ? 0
                                    : pwrite(fd_.get(), from.data, length,
                                             static_cast<off_t>(configOffset_ + static_cast<std::uint64_t>(offset)));
  if (moved < 0) ThrowErrno(env(), "pwrite", "write configuration space", errno);
  return Napi::Number::New(env(), static_cast<double>(moved));
}

Napi::Value Device::MapBar(const Napi::CallbackInfo& call) {
  return Bar::Map(*this, static_cast<std::uint32_t>(NumberArgument(call, 0, 0, 5, "mapBar(index)")));
}

Napi::Value Device::MapMsix(const Napi::CallbackInfo& call) {
  const auto tableBar = static_cast<std::uint32_t>(NumberArgument(call, 0, 0, 5, "mapMsix(tableBar)"));
  const auto tableOffset = static_cast<std::uint64_t>(NumberArgument(call, 1, 0, 0xffff'fff8, "mapMsix(tableOffset)"));
  const auto pbaBar = static_cast<std::uint32_t>(NumberArgument(call, 2, 0, 5, "mapMsix(pbaBar)"));
  const auto pbaOffset = static_cast<std::uint64_t>(NumberArgument(call, 3, 0, 0xffff'fff8, "mapMsix(pbaOffset)"));
  const auto count = static_cast<std::uint32_t>(NumberArgument(call, 4, 1, 2048, "mapMsix(count)"));
  return MsixTable::Map(*this, tableBar, tableOffset, pbaBar, pbaOffset, count);
}

Napi::Value Device::OpenIrqs(const Napi::CallbackInfo& call) {
  const auto index = static_cast<std::uint32_t>(NumberArgument(call, 0, 0, 0xffff, "openIrqs(irqIndex)"));
  const auto count = static_cast<std::uint32_t>(NumberArgument(call, 1, 1, 2048, "openIrqs(count)"));
  return IrqSet::OpenOnDevice(*this, index, count, FunctionArgument(call, 2, "openIrqs(callback)"));
}

// EINVAL (and ENOTTY on some drivers) is VFIO's answer for a function without a reset method.
Napi::Value Device::Reset(const Napi::CallbackInfo& call) {
  if (ioctl(fd_.get(), VFIO_DEVICE_RESET) == 0) return Napi::Boolean::New(call.Env(), true);
  if (errno == EINVAL || errno == ENOTTY) return Napi::Boolean::New(call.Env(), false);
  ThrowErrno(env(), "ioctl", "VFIO_DEVICE_RESET", errno);
}

bool Device::WriteBusMaster(bool on, int* error) {
  std::uint16_t command = 0;
  const auto at = static_cast<off_t>(configOffset_ + PCI_COMMAND);
  if (pread(fd_.get(), &command, sizeof command, at) != sizeof command) {
    *error = errno;
    return false;
  }
  const auto wanted = static_cast<std::uint16_t>(on ? command | PCI_COMMAND_MASTER : command & ~PCI_COMMAND_MASTER);
  if (pwrite(fd_.get(), &wanted, sizeof wanted, at) != sizeof wanted) {
    *error = errno;
    return false;
  }
  return true;
}

Napi::Value Device::SetBusMaster(const Napi::CallbackInfo& call) {
  if (!call[0].IsBoolean()) ThrowCode(env(), kArgument, "setBusMaster(on)", "not a boolean");
  int error = 0;
  if (!WriteBusMaster(call[0].As<Napi::Boolean>(), &error)) {
    ThrowErrno(env(), "pwrite", "set the bus master bit", error);
  }
  return call.Env().Undefined();
}

void Device::Quiesce() {
  if (fd_.get() < 0) return;
  int ignored = 0;
  WriteBusMaster(false, &ignored);
  CloseChildren(Kind::irq);
}

void Device::Release() {
  Quiesce();
  CloseChildren(Kind::msix);
  CloseChildren(Kind::bar);
  fd_.Close();
}

RegionInfo::Area Device::MsixTableIn(std::uint32_t bar) const {
  std::vector<std::uint8_t> config(256);
  if (pread(fd_.get(), config.data(), config.size(), static_cast<off_t>(configOffset_)) < 256) return {0, 0};
  const auto word = [&](std::size_t at) { return static_cast<std::uint32_t>(config[at] | config[at + 1] << 8); };
  if ((word(PCI_STATUS) & PCI_STATUS_CAP_LIST) == 0) return {0, 0};
  std::size_t at = config[PCI_CAPABILITY_LIST] & ~std::size_t{3};
  for (int guard = 0; at >= 0x40 && at <= 0xf4 && guard < 48; ++guard, at = config[at + 1] & ~std::size_t{3}) {
    if (config[at] != PCI_CAP_ID_MSIX) continue;
    const std::uint32_t table = word(at + PCI_MSIX_TABLE) | word(at + PCI_MSIX_TABLE + 2) << 16;
    if ((table & PCI_MSIX_TABLE_BIR) != bar) return {0, 0};
    const std::uint32_t entries = (word(at + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE) + 1;
    return {table & PCI_MSIX_TABLE_OFFSET, entries * std::uint64_t{PCI_MSIX_ENTRY_SIZE}};
  }
  return {0, 0};
}

Napi::Value OpenContainer(const Napi::CallbackInfo& call) {
  auto container = Open<Container>(Environment::Of(call.Env()));
  return Surface(container)
      .Method<&Container::OpenGroup>("openGroup")
      .Method<&Container::AllocateDma>("allocateDma")
      .Getter<&Container::GetMappingCount>("mappingCount")
      .Done();
}

}  // namespace ndis_vfio
