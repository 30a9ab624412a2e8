// DMA memory. Layer: native. See dma.h.
#include "dma.h"

#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "vfio.h"

namespace ndis_vfio {
namespace {

constexpr std::uint64_t kHuge = 2 * 1024 * 1024;

std::size_t RoundToPages(std::uint64_t length) {
  const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  return static_cast<std::size_t>((length + page - 1) & ~(page - 1));
}

// Long arenas start on 2 MiB, so that the IOMMU can use large pages.
std::uint64_t AlignmentOf(std::size_t length) { return length > kHuge / 2 ? kHuge : RoundToPages(1); }

}  // namespace

Pages::Pages(napi_env env, std::size_t length) : length_(length) {
  const std::uint64_t alignment = AlignmentOf(length);
  const std::size_t room = length + static_cast<std::size_t>(alignment);
  void* whole = mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (whole == MAP_FAILED) ThrowErrno(env, "mmap", "allocate DMA memory", errno);
  const auto start = reinterpret_cast<std::uintptr_t>(whole);
  const std::uintptr_t aligned = (start + alignment - 1) & ~(static_cast<std::uintptr_t>(alignment) - 1);
  if (aligned > start) munmap(whole, aligned - start);
  const std::uintptr_t end = aligned + length;
  if (start + room > end) munmap(reinterpret_cast<void*>(end), start + room - end);
  data_ = reinterpret_cast<void*>(aligned);
  // A forked child must not make the parent's pages copy-on-write while the device knows their frames.
  madvise(data_, length_, MADV_DONTFORK);
}

void Pages::Free() {
  if (data_ != nullptr) munmap(std::exchange(data_, nullptr), length_);
}

DmaArena::DmaArena(Environment& environment, Container& container, std::uint64_t length)
    : Handle(environment, Kind::dma, &container) {
  const std::size_t bytes = RoundToPages(length);
  pages_ = std::make_shared<Pages>(env(), bytes);
  iova_ = container.ReserveIova(bytes, AlignmentOf(bytes));
  vfio_iommu_type1_dma_map map{};
  map.argsz = sizeof map;
  map.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
  map.vaddr = reinterpret_cast<std::uintptr_t>(pages_->data());
  map.iova = iova_;
  map.size = bytes;
  if (ioctl(container.fd(), VFIO_IOMMU_MAP_DMA, &map) != 0) {
    const int error = errno;
    container.ReleaseIova(iova_);
    ThrowErrno(env(), "ioctl", "VFIO_IOMMU_MAP_DMA", error);
  }
  mapped_ = true;
}

DmaArena::~DmaArena() = default;

napi_value DmaArena::CreateBuffer() {
  auto share = std::make_unique<std::shared_ptr<Pages>>(pages_);
  napi_value buffer = nullptr;
  CheckNapi(env(),
            napi_create_external_arraybuffer(
                env(), pages_->data(), pages_->length(),
                [](napi_env, void*, void* owned) { delete static_cast<std::shared_ptr<Pages>*>(owned); }, share.get(),
                &buffer),
            "napi_create_external_arraybuffer");
  share.release();
  CheckNapi(env(), napi_create_reference(env(), buffer, 1, &buffer_), "napi_create_reference");
  return buffer;
}

void DmaArena::Release() {
  const napi_env environment = env();
  // Reached by nobody: no buffer was made, or it is detached now. A buffer that was transferred elsewhere is not ours
  // to detach; its finalizer holds the other share of the pages.
  bool unreachable = buffer_ == nullptr;
  napi_handle_scope scope = nullptr;
  if (buffer_ != nullptr && napi_open_handle_scope(environment, &scope) == napi_ok) {
    napi_value buffer = nullptr;
    bool detached = false;
    if (napi_get_reference_value(environment, buffer_, &buffer) == napi_ok && buffer != nullptr &&
        napi_is_detached_arraybuffer(environment, buffer, &detached) == napi_ok && !detached) {
      unreachable = napi_detach_arraybuffer(environment, buffer) == napi_ok;
    }
    napi_delete_reference(environment, std::exchange(buffer_, nullptr));
    napi_close_handle_scope(environment, scope);
  }
  auto& container = *static_cast<Container*>(parent());
  if (mapped_) {
    vfio_iommu_type1_dma_unmap unmap{};
    unmap.argsz = sizeof unmap;
    unmap.iova = iova_;
    unmap.size = pages_->length();
    ioctl(container.fd(), VFIO_IOMMU_UNMAP_DMA, &unmap);
    container.ReleaseIova(iova_);
    mapped_ = false;
  }
  if (unreachable) pages_->Free();
  pages_.reset();
}

Napi::Value DmaArena::Allocate(Container& container, std::uint64_t length) {
  auto arena = Open<DmaArena>(container.environment(), container, length);
  try {
    const napi_value buffer = arena->CreateBuffer();
    return Surface(arena)
        .Value("buffer", buffer)
        .Number("iova", static_cast<double>(arena->iova_))
        .Number("lengthBytes", static_cast<double>(arena->pages_->length()))
        .Done();
  } catch (...) {
    arena->Close();
    throw;
  }
}

}  // namespace ndis_vfio
