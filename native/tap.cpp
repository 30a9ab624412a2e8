// TAP interfaces. Layer: native. See tap.h.
// Source: Documentation/networking/tuntap.rst and linux/if_tun.h of the kernel, netdevice(7).
#include "tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace ndis_vfio {
namespace {

ifreq RequestFor(const std::string& name) {
  ifreq request{};
  std::memcpy(request.ifr_name, name.data(), std::min(name.size(), sizeof request.ifr_name - 1));
  return request;
}

bool BooleanArgument(const Napi::CallbackInfo& call, const char* step) {
  if (!call[0].IsBoolean()) ThrowCode(call.Env(), kArgument, step, "not a boolean");
  return call[0].As<Napi::Boolean>();
}

}  // namespace

Tap::Tap(Environment& environment, const std::string& name) : Handle(environment, Kind::tap, nullptr) {
  if (name.size() >= IFNAMSIZ) ThrowCode(env(), kArgument, "openTap(name)", "longer than 15 characters");
  fd_ = Fd(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (fd_.get() < 0) ThrowErrno(env(), "open", "open /dev/net/tun", errno);
  ifreq request = RequestFor(name);
  request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL);
  if (ioctl(fd_.get(), TUNSETIFF, &request) != 0) ThrowErrno(env(), "ioctl", "TUNSETIFF", errno);
  name_ = std::string(request.ifr_name, strnlen(request.ifr_name, IFNAMSIZ));
  control_ = Fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (control_.get() < 0) control_ = Fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (control_.get() < 0) ThrowErrno(env(), "socket", "open a control socket", errno);
  poll_ = Poll::Open(environment, fd_.get(), this, 0, nullptr);
}

void Tap::Release() {
  poll_.reset();
  fd_.Close();
  control_.Close();
  listener_.reset();
}

Tap::Batch Tap::BatchArguments(const Napi::CallbackInfo& call, std::size_t countAt, std::uint32_t from,
                               const char* step) const {
  const Bytes memory = BytesArgument(call, 0, step);
  const Words pairs = WordsArgument(call, 1, step);
  const auto count = static_cast<std::uint32_t>(NumberArgument(call, countAt, 0, 0x7fff'ffff, step));
  if (std::uint64_t{from} + count > pairs.length / 2) ThrowCode(env(), kRange, step, "more frames than pairs");
  std::uint32_t* first = pairs.data + std::size_t{from} * 2;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t offset = first[2 * i];
    if (offset + first[2 * i + 1] > memory.length) {
      ThrowCode(env(), kRange, step, "pair " + std::to_string(from + i) + " lies outside of the memory");
    }
  }
  return {memory.data, first, count};
}

// A frame longer than its buffer is cut by the kernel, so capacities must hold the MTU and the Ethernet header.
Napi::Value Tap::ReadBatch(const Napi::CallbackInfo& call) {
  const Batch batch = BatchArguments(call, 2, 0, "readBatch");
  std::uint32_t done = 0;
  while (done < batch.count) {
    const ssize_t length = read(fd_.get(), batch.memory + batch.pairs[2 * done], batch.pairs[2 * done + 1]);
    if (length >= 0) {
      batch.pairs[2 * done + 1] = static_cast<std::uint32_t>(length);
      ++done;
    } else if (errno == EINTR) {
      continue;
    } else if (errno == EAGAIN || done > 0) {
      break;  // frames already read are reported first; a lasting error shows on the next call
    } else {
      ThrowErrno(env(), "read", "read a frame from " + name_, errno);
    }
  }
  return Napi::Number::New(call.Env(), done);
}

Napi::Value Tap::WriteBatch(const Napi::CallbackInfo& call) {
  const auto from = static_cast<std::uint32_t>(NumberArgument(call, 2, 0, 0x7fff'ffff, "writeBatch(from)"));
  const Batch batch = BatchArguments(call, 3, from, "writeBatch");
  std::uint32_t done = 0;
  while (done < batch.count) {
    if (write(fd_.get(), batch.memory + batch.pairs[2 * done], batch.pairs[2 * done + 1]) >= 0) {
      ++done;
    } else if (errno == EINTR) {
      continue;
    } else if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM) {
      break;  // no room now
    } else if (errno == EIO || errno == EINVAL || errno == EMSGSIZE) {
      writeErrors_ += 1;  // interface down, or no frame at all: refused for good
      ++done;
    } else if (done > 0) {
      break;
    } else {
      ThrowErrno(env(), "write", "write a frame to " + name_, errno);
    }
  }
  return Napi::Number::New(call.Env(), done);
}

Napi::Value Tap::GetWriteErrors(const Napi::CallbackInfo& call) { return Napi::Number::New(call.Env(), writeErrors_); }

Napi::Value Tap::SetReadable(const Napi::CallbackInfo& call) {
  if (call[0].IsNull()) {
    poll_->Stop();
    return call.Env().Undefined();
  }
  const Napi::Function callback = FunctionArgument(call, 0, "setReadable(callback)");
  if (!listener_) {
    listener_ = std::make_shared<Listener>(env(), callback, "Tap");
  } else if (!listener_->Is(callback)) {
    listener_->Replace(callback);
  }
  poll_->Start();
  return call.Env().Undefined();
}

void Tap::OnReadable(unsigned) {
  if (closed()) return;
  const napi_env environment = env();
  const std::shared_ptr<Listener> listener = listener_;
  napi_handle_scope scope = nullptr;
  if (napi_open_handle_scope(environment, &scope) != napi_ok) return;
  listener->Call(0, nullptr);
  napi_close_handle_scope(environment, scope);
}

Napi::Value Tap::SetCarrier(const Napi::CallbackInfo& call) {
  const int up = BooleanArgument(call, "setCarrier(up)") ? 1 : 0;
  if (ioctl(fd_.get(), TUNSETCARRIER, &up) != 0) ThrowErrno(env(), "ioctl", "TUNSETCARRIER", errno);
  return call.Env().Undefined();
}

Napi::Value Tap::SetMtu(const Napi::CallbackInfo& call) {
  ifreq request = RequestFor(name_);
  request.ifr_mtu = static_cast<int>(NumberArgument(call, 0, 0, 0x7fff'ffff, "setMtu(mtuBytes)"));
  if (ioctl(control_.get(), SIOCSIFMTU, &request) != 0) ThrowErrno(env(), "ioctl", "SIOCSIFMTU", errno);
  return call.Env().Undefined();
}

Napi::Value Tap::GetMtu(const Napi::CallbackInfo& call) {
  ifreq request = RequestFor(name_);
  if (ioctl(control_.get(), SIOCGIFMTU, &request) != 0) ThrowErrno(env(), "ioctl", "SIOCGIFMTU", errno);
  return Napi::Number::New(call.Env(), request.ifr_mtu);
}

Napi::Value Tap::SetMac(const Napi::CallbackInfo& call) {
  const Bytes mac = BytesArgument(call, 0, "setMac(mac)");
  if (mac.length != 6) ThrowCode(env(), kRange, "setMac(mac)", "not 6 bytes");
  ifreq request = RequestFor(name_);
  request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
  std::memcpy(request.ifr_hwaddr.sa_data, mac.data, mac.length);
  if (ioctl(control_.get(), SIOCSIFHWADDR, &request) != 0) ThrowErrno(env(), "ioctl", "SIOCSIFHWADDR", errno);
  return call.Env().Undefined();
}

Napi::Value Tap::GetMac(const Napi::CallbackInfo& call) {
  ifreq request = RequestFor(name_);
  if (ioctl(control_.get(), SIOCGIFHWADDR, &request) != 0) ThrowErrno(env(), "ioctl", "SIOCGIFHWADDR", errno);
  Napi::Uint8Array mac = Napi::Uint8Array::New(call.Env(), 6);
  std::memcpy(mac.Data(), request.ifr_hwaddr.sa_data, 6);
  return mac;
}

Napi::Value Tap::SetUp(const Napi::CallbackInfo& call) {
  const bool up = BooleanArgument(call, "setUp(up)");
  ifreq request = RequestFor(name_);
  if (ioctl(control_.get(), SIOCGIFFLAGS, &request) != 0) ThrowErrno(env(), "ioctl", "SIOCGIFFLAGS", errno);
  request.ifr_flags = static_cast<short>(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
  if (ioctl(control_.get(), SIOCSIFFLAGS, &request) != 0) ThrowErrno(env(), "ioctl", "SIOCSIFFLAGS", errno);
  return call.Env().Undefined();
}

Napi::Value Tap::OpenTap(const Napi::CallbackInfo& call) {
  auto tap = Open<Tap>(Environment::Of(call.Env()), StringArgument(call, 0, "openTap(name)"));
  return Surface(tap)
      .Value("name", Napi::String::New(call.Env(), tap->name_))
      .Method<&Tap::ReadBatch>("readBatch")
      .Method<&Tap::WriteBatch>("writeBatch")
      .Getter<&Tap::GetWriteErrors>("writeErrors")
      .Method<&Tap::SetReadable>("setReadable")
      .Method<&Tap::SetCarrier>("setCarrier")
      .Method<&Tap::SetMtu>("setMtu")
      .Method<&Tap::GetMtu>("getMtu")
      .Method<&Tap::SetMac>("setMac")
      .Method<&Tap::GetMac>("getMac")
      .Method<&Tap::SetUp>("setUp")
      .Done();
}

}  // namespace ndis_vfio
