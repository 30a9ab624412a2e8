// errno -> JavaScript Error. Layer: native. See errors.h.
#include "errors.h"

#include <cstring>

namespace ndis_vfio {
namespace {

Napi::Error Create(Napi::Env env, const std::string& code, const char* syscall, const std::string& step,
                   const std::string& cause) {
  const std::string message = step + ": " + cause;
  Napi::Error error = code == kRange      ? static_cast<Napi::Error>(Napi::RangeError::New(env, message))
                      : code == kArgument ? static_cast<Napi::Error>(Napi::TypeError::New(env, message))
                                          : Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  error.Set("syscall", Napi::String::New(env, syscall));
  error.Set("step", Napi::String::New(env, step));
  return error;
}

}  // namespace

void ThrowErrno(napi_env env, const char* syscall, const std::string& step, int error) {
  const char* name = strerrorname_np(error);
  const std::string code = name != nullptr ? name : "E" + std::to_string(error);
  const char* text = strerrordesc_np(error);
  Napi::Error failure =
      Create(env, code, syscall, step, std::string(text != nullptr ? text : "unknown error") + " (" + code + ")");
  failure.Set("errno", Napi::Number::New(env, error));
  throw failure;
}

void ThrowCode(napi_env env, const char* code, const std::string& step, const std::string& cause) {
  throw Create(env, code, "", step, cause);
}

void CheckNapi(napi_env env, napi_status status, const char* step) {
  if (status == napi_ok) return;
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending) throw Napi::Error::New(env);
  const napi_extended_error_info* info = nullptr;
  napi_get_last_error_info(env, &info);
  ThrowCode(env, kArgument, step,
            info != nullptr && info->error_message != nullptr ? info->error_message : "Node-API call failed");
}

}  // namespace ndis_vfio
