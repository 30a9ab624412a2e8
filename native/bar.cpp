// Register access. Layer: native. See bar.h.
#include "bar.h"

#include <unistd.h>

#include <algorithm>
#include <type_traits>

#include "vfio.h"

namespace ndis_vfio {
namespace {

template <typename Word>
constexpr const char* StepOf(bool write) {
  if (sizeof(Word) == 4) return write ? "write32(offset)" : "read32(offset)";
  if (sizeof(Word) == 2) return write ? "write16(offset)" : "read16(offset)";
  return write ? "write8(offset)" : "read8(offset)";
}

// The offset as an index of the fast path, or ~0 when it needs the slow one (which then says why).
template <typename Word>
inline std::uint32_t FastOffset(napi_env env, napi_value argument, std::uint32_t end) {
  double offset = 0;
  if (napi_get_value_double(env, argument, &offset) != napi_ok) return ~0U;
  if (!(offset >= 0 && offset + sizeof(Word) <= end)) return ~0U;
  const auto at = static_cast<std::uint32_t>(offset);
  return at == offset && at % sizeof(Word) == 0 ? at : ~0U;
}

}  // namespace

Bar::Bar(Environment& environment, Device& device, std::uint32_t index) : Handle(environment, Kind::bar, &device) {
  const RegionInfo region = device.QueryRegion(index);
  if (region.size == 0) ThrowCode(env(), kVfio, "mapBar", "the function has no BAR " + std::to_string(index));
  length_ = region.size;
  fileOffset_ = region.offset;
  const RegionInfo::Area table = device.MsixTableIn(index);
  tableStart_ = table.offset;
  tableLength_ = table.size;
  if ((region.flags & VFIO_REGION_INFO_FLAG_MMAP) == 0) return;
  std::vector<RegionInfo::Area> areas = region.sparse;
  if (areas.empty()) areas.push_back({0, region.size});
  for (const RegionInfo::Area& area : areas) {
    if (area.size == 0) continue;
    areas_.push_back({area.offset, area.size,
                      std::make_unique<Mapping>(env(), device.fd(), region.offset + area.offset, area.size, "map BAR")});
  }
  if (areas_.empty() || areas_.front().offset != 0) return;
  base_ = areas_.front().mapping->data();
  fault_ = areas_.front().mapping->fault();
  readEnd_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(areas_.front().length, 0xffff'fff0));
  writeEnd_ = tableLength_ == 0 ? readEnd_ : static_cast<std::uint32_t>(std::min<std::uint64_t>(readEnd_, tableStart_));
}

void Bar::Release() {
  base_ = nullptr;
  readEnd_ = 0;
  writeEnd_ = 0;
  failed_ = AnyFault();  // `faulted` keeps its answer
  areas_.clear();
}

bool Bar::AnyFault() const {
  return failed_ ||
         std::any_of(areas_.begin(), areas_.end(), [](const Area& area) { return area.mapping->faulted(); });
}

const Bar::Area* Bar::AreaOf(std::uint64_t offset, std::size_t width) const {
  for (const Area& area : areas_) {
    if (offset >= area.offset && offset + width <= area.offset + area.length) return &area;
  }
  return nullptr;
}

template <typename Word>
std::uint64_t Bar::CheckedOffset(napi_value argument, const char* step) const {
  RequireOpen();
  double offset = 0;
  if (napi_get_value_double(env(), argument, &offset) != napi_ok) ThrowCode(env(), kArgument, step, "not a number");
  const bool inside = offset >= 0 && offset + sizeof(Word) <= static_cast<double>(length_);
  const std::uint64_t at = inside ? static_cast<std::uint64_t>(offset) : 0;
  if (!inside || static_cast<double>(at) != offset) {
    ThrowCode(env(), kRange, step, "outside of the BAR's " + std::to_string(length_) + " bytes");
  }
  if (at % sizeof(Word) != 0) ThrowCode(env(), kRange, step, "not a multiple of " + std::to_string(sizeof(Word)));
  return at;
}

template <typename Word>
std::uint32_t Bar::ReadSlowly(napi_value argument) {
  const std::uint64_t at = CheckedOffset<Word>(argument, StepOf<Word>(false));
  constexpr Word kOnes = static_cast<Word>(~Word{0});
  if (AnyFault()) return kOnes;
  if (const Area* area = AreaOf(at, sizeof(Word))) {
    const Word value = *reinterpret_cast<volatile Word*>(area->mapping->data() + (at - area->offset));
    return area->mapping->faulted() ? kOnes : value;
  }
  Word value = 0;
  const int fd = static_cast<Device*>(parent())->fd();
  if (pread(fd, &value, sizeof value, static_cast<off_t>(fileOffset_ + at)) != sizeof value) {
    failed_ = true;
    return kOnes;
  }
  return value;
}

template <typename Word>
void Bar::WriteSlowly(napi_value argument, std::uint32_t value) {
  const std::uint64_t at = CheckedOffset<Word>(argument, StepOf<Word>(true));
  if (at + sizeof(Word) > tableStart_ && at < tableStart_ + tableLength_) {
    ThrowCode(env(), kRange, StepOf<Word>(true), "inside of the MSI-X table, which belongs to the kernel");
  }
  if (AnyFault()) return;
  const auto word = static_cast<Word>(value);
  if (const Area* area = AreaOf(at, sizeof(Word))) {
    *reinterpret_cast<volatile Word*>(area->mapping->data() + (at - area->offset)) = word;
    return;
  }
  const int fd = static_cast<Device*>(parent())->fd();
  if (pwrite(fd, &word, sizeof word, static_cast<off_t>(fileOffset_ + at)) != sizeof word) failed_ = true;
}

template <typename Word>
napi_value Bar::Read(napi_env env, napi_callback_info info) {
  std::size_t count = 1;
  napi_value argument = nullptr;
  void* data = nullptr;
  napi_get_cb_info(env, info, &count, &argument, nullptr, &data);
  Bar& bar = *static_cast<Bar*>(data);
  napi_value result = nullptr;
  const std::uint32_t at = FastOffset<Word>(env, argument, bar.readEnd_);
  if (at != ~0U) {
    Word value = *reinterpret_cast<volatile Word*>(bar.base_ + at);
    if (bar.fault_->load(std::memory_order_relaxed)) value = static_cast<Word>(~Word{0});
    napi_create_uint32(env, value, &result);
    return result;
  }
  return Guarded(env, [&] {
    napi_create_uint32(env, bar.ReadSlowly<Word>(argument), &result);
    return result;
  });
}

template <typename Word>
napi_value Bar::Write(napi_env env, napi_callback_info info) {
  std::size_t count = 2;
  napi_value arguments[2] = {nullptr, nullptr};
  void* data = nullptr;
  napi_get_cb_info(env, info, &count, arguments, nullptr, &data);
  Bar& bar = *static_cast<Bar*>(data);
  std::uint32_t value = 0;
  // Modulo 2^32, as JavaScript's bit operators give signed numbers.
  const bool isNumber = napi_get_value_uint32(env, arguments[1], &value) == napi_ok;
  const std::uint32_t at = FastOffset<Word>(env, arguments[0], bar.writeEnd_);
  if (isNumber && at != ~0U) {
    if (!bar.fault_->load(std::memory_order_relaxed)) {
      *reinterpret_cast<volatile Word*>(bar.base_ + at) = static_cast<Word>(value);
    }
    return nullptr;
  }
  return Guarded(env, [&]() -> napi_value {
    bar.RequireOpen();
    if (!isNumber) ThrowCode(env, kArgument, "write(value)", "not a number");
    bar.WriteSlowly<Word>(arguments[0], value);
    return nullptr;
  });
}

Napi::Value Bar::GetFaulted(const Napi::CallbackInfo& call) { return Napi::Boolean::New(call.Env(), AnyFault()); }

Napi::Value Bar::Map(Device& device, std::uint32_t index) {
  auto bar = Open<Bar>(device.environment(), device, index);
  return Surface(bar)
      .Number("lengthBytes", static_cast<double>(bar->length_))
      .Raw("read32", Read<std::uint32_t>)
      .Raw("write32", Write<std::uint32_t>)
      .Raw("read16", Read<std::uint16_t>)
      .Raw("write16", Write<std::uint16_t>)
      .Raw("read8", Read<std::uint8_t>)
      .Raw("write8", Write<std::uint8_t>)
      .Getter<&Bar::GetFaulted>("faulted")
      .Done();
}

}  // namespace ndis_vfio
