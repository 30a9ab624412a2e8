// Per-environment data, handles and the way into JavaScript. Layer: native.
// Invariants: no state outside of the environment (the addon is initialised once per worker thread); every open handle
// is registered and closed by the cleanup hook at the latest; a handle closes its children before itself; a JavaScript
// function of a handle keeps the C++ object alive, so a call after close() finds it and throws ERR_CLOSED.
#pragma once

#include <napi.h>
#include <uv.h>

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "errors.h"

namespace ndis_vfio {

enum class Kind : unsigned { container, group, device, bar, msix, irq, dma, tap };
inline constexpr std::array<const char*, 8> kKindNames = {"container", "group", "device", "bar",
                                                          "msix",      "irq",   "dma",    "tap"};

class Handle;

// A file descriptor with an owner.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept;
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { Close(); }
  int get() const { return fd_; }
  void Close();

 private:
  int fd_ = -1;
};

class Environment : public std::enable_shared_from_this<Environment> {
 public:
  // Creates the instance data and adds the asynchronous cleanup hook (asynchronous because uv_close is).
  static void Attach(Napi::Env env);
  static Environment& Of(napi_env env);
  ~Environment();

  napi_env env() const { return env_; }
  uv_loop_t* loop() const { return loop_; }
  const std::vector<std::shared_ptr<Handle>>& open() const { return open_; }

  void Register(std::shared_ptr<Handle> handle) { open_.push_back(std::move(handle)); }
  void Unregister(const Handle* handle);
  // Every uv_poll_t counts from uv_poll_init to its close callback.
  void PollOpened() { ++polls_; }
  void PollClosed();

 private:
  struct Key;
  explicit Environment(napi_env env) : env_(env) {}
  static void OnCleanup(napi_async_cleanup_hook_handle hook, void* data);

  napi_env env_;
  uv_loop_t* loop_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  std::vector<std::shared_ptr<Handle>> open_;
  unsigned polls_ = 0;
  bool ending_ = false;
};

// Something with a close(). Derived constructors acquire; Release() gives back, once, and never throws.
class Handle : public std::enable_shared_from_this<Handle> {
 public:
  Handle(Environment& environment, Kind kind, Handle* parent)
      : environment_(environment.shared_from_this()), kind_(kind), parent_(parent) {}
  virtual ~Handle() = default;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  void Close();
  bool closed() const { return closed_; }
  Kind kind() const { return kind_; }
  Handle* parent() const { return parent_; }
  Environment& environment() const { return *environment_; }
  napi_env env() const { return environment_->env(); }
  void RequireOpen() const;
  // Open handles below this one, oldest first. Copies: closing changes the registry.
  std::vector<std::shared_ptr<Handle>> Children(Kind kind) const;
  void CloseChildren(Kind kind);

 protected:
  virtual void Release() = 0;

 private:
  std::shared_ptr<Environment> environment_;
  Kind kind_;
  Handle* parent_;
  bool closed_ = false;
};

// Creates a handle and registers it.
template <typename T, typename... Arguments>
std::shared_ptr<T> Open(Environment& environment, Arguments&&... arguments) {
  auto handle = std::make_shared<T>(environment, std::forward<Arguments>(arguments)...);
  environment.Register(handle);
  return handle;
}

// Runs `body`; a C++ exception becomes the pending JavaScript one.
template <typename Body>
napi_value Guarded(napi_env env, Body&& body) {
  try {
    return body();
  } catch (const Napi::Error& error) {
    error.ThrowAsJavaScriptException();
  } catch (const std::exception& error) {
    napi_throw_error(env, kVfio, error.what());
  }
  return nullptr;
}

// Turns `Napi::Value T::Member(const Napi::CallbackInfo&)` into a napi_callback whose data is the T.
template <auto Member>
struct Thunk;
template <typename T, Napi::Value (T::*Member)(const Napi::CallbackInfo&)>
struct Thunk<Member> {
  using Type = T;
  static napi_value Open(napi_env env, napi_callback_info info) {
    return Guarded(env, [&]() -> napi_value {
      const Napi::CallbackInfo call(env, info);
      T& self = *static_cast<T*>(call.Data());
      self.RequireOpen();
      return (self.*Member)(call);
    });
  }
  static napi_value Always(napi_env env, napi_callback_info info) {
    return Guarded(env, [&]() -> napi_value {
      const Napi::CallbackInfo call(env, info);
      return (static_cast<T*>(call.Data())->*Member)(call);
    });
  }
};

// Builds the JavaScript object of a handle: own functions whose data pointer is the handle (no unwrap on each call).
template <typename T>
class Surface {
 public:
  explicit Surface(std::shared_ptr<T> handle)
      : handle_(std::move(handle)), env_(handle_->env()), object_(Napi::Object::New(env_)) {
    Raw("close", [](napi_env env, napi_callback_info info) -> napi_value {
      return Guarded(env, [&]() -> napi_value {
        void* data = nullptr;
        napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
        static_cast<T*>(data)->Close();
        return nullptr;
      });
    });
  }

  // A method that throws ERR_CLOSED after close().
  template <auto Member>
  Surface& Method(const char* name) {
    return Raw(name, Thunk<Member>::Open);
  }
  Surface& Raw(const char* name, napi_callback callback) {
    object_.Set(name, Function(name, callback));
    return *this;
  }
  // A getter; also works after close().
  template <auto Member>
  Surface& Getter(const char* name) {
    const Napi::Object descriptor = Napi::Object::New(env_);
    descriptor.Set("get", Function(name, Thunk<Member>::Always));
    descriptor.Set("enumerable", true);
    const Napi::Object object = env_.Global().Get("Object").As<Napi::Object>();
    object.Get("defineProperty").As<Napi::Function>().Call(object, {object_, Napi::String::New(env_, name), descriptor});
    return *this;
  }
  Surface& Value(const char* name, napi_value value) {
    object_.DefineProperty(Napi::PropertyDescriptor::Value(name, value, napi_enumerable));
    return *this;
  }
  Surface& Number(const char* name, double value) { return Value(name, Napi::Number::New(env_, value)); }
  Napi::Object Done() const { return object_; }

 private:
  // Each function owns a share of the handle, given back when the function is collected.
  Napi::Value Function(const char* name, napi_callback callback) {
    napi_value function = nullptr;
    T* data = handle_.get();
    CheckNapi(env_, napi_create_function(env_, name, NAPI_AUTO_LENGTH, callback, data, &function), name);
    auto share = std::make_unique<std::shared_ptr<T>>(handle_);
    CheckNapi(env_,
              napi_add_finalizer(
                  env_, function, share.get(),
                  [](napi_env, void* owned, void*) { delete static_cast<std::shared_ptr<T>*>(owned); }, nullptr,
                  nullptr),
              name);
    share.release();
    return Napi::Value(env_, function);
  }

  std::shared_ptr<T> handle_;
  Napi::Env env_;
  Napi::Object object_;
};

// A JavaScript function entered from the event loop through a callback scope: microtasks run right after each call.
// What it throws becomes an uncaughtException.
class Listener {
 public:
  Listener(napi_env env, Napi::Function function, const char* resourceName);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  void Call(std::size_t count, const napi_value* arguments) const;
  bool Is(napi_value function) const;
  // Exchanges the function; the asynchronous context stays.
  void Replace(napi_value function);

 private:
  napi_env env_;
  napi_ref function_ = nullptr;
  napi_async_context context_ = nullptr;
};

// One uv_poll for readability. The object frees itself after uv_close, which is asynchronous; Close() is final.
class Poll {
 public:
  class Target {
   public:
    virtual void OnReadable(unsigned index) = 0;

   protected:
    ~Target() = default;
  };
  struct Closer {
    void operator()(Poll* poll) const { poll->Close(); }
  };
  using Owner = std::unique_ptr<Poll, Closer>;

  // `keepAlive` lives until the uv handle is closed. @throws when libuv refuses the descriptor.
  static Owner Open(Environment& environment, int fd, Target* target, unsigned index, std::shared_ptr<void> keepAlive);
  void Start();
  void Stop();

 private:
  Poll(Environment& environment, Target* target, unsigned index, std::shared_ptr<void> keepAlive)
      : environment_(environment.shared_from_this()), target_(target), index_(index), keepAlive_(std::move(keepAlive)) {}
  ~Poll() = default;
  void Close();

  uv_poll_t poll_{};
  std::shared_ptr<Environment> environment_;
  Target* target_;
  unsigned index_;
  std::shared_ptr<void> keepAlive_;
};

// Arguments. All throw ERR_ARGUMENT or ERR_RANGE; `step` is `method(argument)`.
double NumberArgument(const Napi::CallbackInfo& call, std::size_t index, double least, double most, const char* step);
Napi::Function FunctionArgument(const Napi::CallbackInfo& call, std::size_t index, const char* step);
std::string StringArgument(const Napi::CallbackInfo& call, std::size_t index, const char* step);
struct Bytes {
  std::uint8_t* data;
  std::size_t length;
};
Bytes BytesArgument(const Napi::CallbackInfo& call, std::size_t index, const char* step);
struct Words {
  std::uint32_t* data;
  std::size_t length;
};
Words WordsArgument(const Napi::CallbackInfo& call, std::size_t index, const char* step);

}  // namespace ndis_vfio
