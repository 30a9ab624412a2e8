// Environments, handles, listeners and polls. Layer: native. See environment.h.
#include "environment.h"

#include <unistd.h>

#include <algorithm>

namespace ndis_vfio {

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    Close();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void Fd::Close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

// The instance data is a share, because handles may be finalized after it at the end of an environment.
void Environment::Attach(Napi::Env env) {
  std::shared_ptr<Environment> environment(new Environment(env));
  CheckNapi(env, napi_get_uv_event_loop(env, &environment->loop_), "napi_get_uv_event_loop");
  auto share = std::make_unique<std::shared_ptr<Environment>>(environment);
  CheckNapi(env,
            napi_set_instance_data(
                env, share.get(),
                [](napi_env, void* owned, void*) { delete static_cast<std::shared_ptr<Environment>*>(owned); },
                nullptr),
            "napi_set_instance_data");
  share.release();
  auto hookShare = std::make_unique<std::shared_ptr<Environment>>(environment);
  CheckNapi(env, napi_add_async_cleanup_hook(env, OnCleanup, hookShare.get(), &environment->hook_),
            "napi_add_async_cleanup_hook");
  hookShare.release();
}

Environment::~Environment() = default;

Environment& Environment::Of(napi_env env) {
  void* data = nullptr;
  CheckNapi(env, napi_get_instance_data(env, &data), "napi_get_instance_data");
  return **static_cast<std::shared_ptr<Environment>*>(data);
}

void Environment::Unregister(const Handle* handle) {
  const auto found = std::find_if(open_.begin(), open_.end(), [&](const auto& each) { return each.get() == handle; });
  if (found == open_.end()) return;
  // The share moves out first: erasing may destroy the handle, whose destructor must not see a half-erased vector.
  const std::shared_ptr<Handle> last = std::move(*found);
  open_.erase(found);
}

// Containers first: they bring devices, interrupts and DMA down in the safe order. What is left has no device behind it.
void Environment::OnCleanup(napi_async_cleanup_hook_handle hook, void* data) {
  const std::unique_ptr<std::shared_ptr<Environment>> share(static_cast<std::shared_ptr<Environment>*>(data));
  Environment& environment = **share;
  environment.ending_ = true;
  environment.hook_ = hook;
  for (const Kind kind : {Kind::container, Kind::group, Kind::device, Kind::irq, Kind::tap}) {
    const std::vector<std::shared_ptr<Handle>> open = environment.open_;
    for (const auto& handle : open) {
      if (handle->kind() == kind) handle->Close();
    }
  }
  if (environment.polls_ == 0) napi_remove_async_cleanup_hook(std::exchange(environment.hook_, nullptr));
}

void Environment::PollClosed() {
  --polls_;
  if (ending_ && polls_ == 0 && hook_ != nullptr) napi_remove_async_cleanup_hook(std::exchange(hook_, nullptr));
}

void Handle::Close() {
  if (closed_) return;
  closed_ = true;
  const std::shared_ptr<Handle> self = shared_from_this();
  Release();
  environment_->Unregister(this);
}

void Handle::RequireOpen() const {
  if (closed_) ThrowCode(env(), kClosed, kKindNames[static_cast<unsigned>(kind_)], "the handle was closed");
}

std::vector<std::shared_ptr<Handle>> Handle::Children(Kind kind) const {
  std::vector<std::shared_ptr<Handle>> children;
  for (const auto& handle : environment_->open()) {
    if (handle->parent() == this && handle->kind() == kind) children.push_back(handle);
  }
  return children;
}

void Handle::CloseChildren(Kind kind) {
  for (const auto& child : Children(kind)) child->Close();
}

Listener::Listener(napi_env env, Napi::Function function, const char* resourceName) : env_(env) {
  CheckNapi(env, napi_create_reference(env, function, 1, &function_), "napi_create_reference");
  const napi_status status =
      napi_async_init(env, nullptr, Napi::String::New(env, std::string("NdisVfio.") + resourceName), &context_);
  if (status != napi_ok) {
    napi_delete_reference(env, function_);
    CheckNapi(env, status, "napi_async_init");
  }
}

Listener::~Listener() {
  napi_async_destroy(env_, context_);
  napi_delete_reference(env_, function_);
}

void Listener::Call(std::size_t count, const napi_value* arguments) const {
  napi_value function = nullptr;
  napi_value receiver = nullptr;
  napi_value result = nullptr;
  if (napi_get_reference_value(env_, function_, &function) != napi_ok || function == nullptr) return;
  if (napi_get_global(env_, &receiver) != napi_ok) return;
  if (napi_make_callback(env_, context_, receiver, function, count, arguments, &result) == napi_ok) return;
  bool pending = false;
  napi_value error = nullptr;
  if (napi_is_exception_pending(env_, &pending) != napi_ok || !pending) return;
  if (napi_get_and_clear_last_exception(env_, &error) != napi_ok) return;
  // A callback scope again: uncaughtException needs an entered context, and what the listener queued before it threw
  // must still run now.
  napi_callback_scope scope = nullptr;
  if (napi_open_callback_scope(env_, receiver, context_, &scope) != napi_ok) return;
  napi_fatal_exception(env_, error);
  napi_close_callback_scope(env_, scope);
}

bool Listener::Is(napi_value function) const {
  napi_value current = nullptr;
  bool same = false;
  napi_get_reference_value(env_, function_, &current);
  return current != nullptr && napi_strict_equals(env_, current, function, &same) == napi_ok && same;
}

void Listener::Replace(napi_value function) {
  napi_ref next = nullptr;
  CheckNapi(env_, napi_create_reference(env_, function, 1, &next), "napi_create_reference");
  napi_delete_reference(env_, std::exchange(function_, next));
}

Poll::Owner Poll::Open(Environment& environment, int fd, Target* target, unsigned index,
                       std::shared_ptr<void> keepAlive) {
  Poll* poll = new Poll(environment, target, index, std::move(keepAlive));
  const int status = uv_poll_init(environment.loop(), &poll->poll_, fd);
  if (status != 0) {
    delete poll;
    ThrowErrno(environment.env(), "epoll_ctl", "uv_poll_init", -status);
  }
  poll->poll_.data = poll;
  environment.PollOpened();
  return Owner(poll);
}

void Poll::Start() {
  const int status = uv_poll_start(&poll_, UV_READABLE, [](uv_poll_t* handle, int, int) {
    // A status below 0 (the interface behind the descriptor is gone) is reported too: the next read tells the reason.
    Poll* poll = static_cast<Poll*>(handle->data);
    const std::shared_ptr<void> keep = poll->keepAlive_;
    poll->target_->OnReadable(poll->index_);
  });
  if (status != 0) ThrowErrno(environment_->env(), "epoll_ctl", "uv_poll_start", -status);
}

void Poll::Stop() { uv_poll_stop(&poll_); }

// libuv forgets the descriptor inside uv_close, so the owner may close it right after; only this memory has to wait.
void Poll::Close() {
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_), [](uv_handle_t* handle) {
    Poll* poll = static_cast<Poll*>(handle->data);
    const std::shared_ptr<Environment> environment = poll->environment_;
    napi_handle_scope scope = nullptr;
    napi_open_handle_scope(environment->env(), &scope);
    delete poll;  // may end the listener
    if (scope != nullptr) napi_close_handle_scope(environment->env(), scope);
    environment->PollClosed();
  });
}

double NumberArgument(const Napi::CallbackInfo& call, std::size_t index, double least, double most, const char* step) {
  if (!call[index].IsNumber()) ThrowCode(call.Env(), kArgument, step, "not a number");
  const double value = call[index].As<Napi::Number>().DoubleValue();
  if (!(value >= least && value <= most) || value != static_cast<double>(static_cast<std::int64_t>(value))) {
    ThrowCode(call.Env(), kRange, step,
              "not an integer from " + std::to_string(static_cast<std::int64_t>(least)) + " to " +
                  std::to_string(static_cast<std::int64_t>(most)));
  }
  return value;
}

Napi::Function FunctionArgument(const Napi::CallbackInfo& call, std::size_t index, const char* step) {
  if (!call[index].IsFunction()) ThrowCode(call.Env(), kArgument, step, "not a function");
  return call[index].As<Napi::Function>();
}

std::string StringArgument(const Napi::CallbackInfo& call, std::size_t index, const char* step) {
  if (!call[index].IsString()) ThrowCode(call.Env(), kArgument, step, "not a string");
  return call[index].As<Napi::String>().Utf8Value();
}

Bytes BytesArgument(const Napi::CallbackInfo& call, std::size_t index, const char* step) {
  napi_typedarray_type type = napi_int8_array;
  std::size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(call.Env(), call[index], &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array) {
    ThrowCode(call.Env(), kArgument, step, "not a Uint8Array");
  }
  return {static_cast<std::uint8_t*>(data), length};
}

Words WordsArgument(const Napi::CallbackInfo& call, std::size_t index, const char* step) {
  napi_typedarray_type type = napi_int8_array;
  std::size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(call.Env(), call[index], &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != napi_uint32_array) {
    ThrowCode(call.Env(), kArgument, step, "not a Uint32Array");
  }
  return {static_cast<std::uint32_t*>(data), length};
}

}  // namespace ndis_vfio
