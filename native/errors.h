// Failures as JavaScript Errors {code, syscall, step, errno}. Layer: native. The one place that throws.
// Invariant: every message names the step and the cause; `code` is an errno name or one of the ERR_ codes below.
#pragma once

#include <napi.h>

#include <string>

namespace ndis_vfio {

// Codes of failures that have no errno.
inline constexpr const char* kClosed = "ERR_CLOSED";      // the handle was closed
inline constexpr const char* kRange = "ERR_RANGE";        // a number lies outside of its range (RangeError)
inline constexpr const char* kArgument = "ERR_ARGUMENT";  // an argument has the wrong type (TypeError)
inline constexpr const char* kVfio = "ERR_VFIO";          // VFIO answered, but not what is needed

// Throws the Error of a failed system call. `error` is the errno value, `step` what was being done.
[[noreturn]] void ThrowErrno(napi_env env, const char* syscall, const std::string& step, int error);

// Throws the Error of a failure without errno.
[[noreturn]] void ThrowCode(napi_env env, const char* code, const std::string& step, const std::string& cause);

// Throws when a Node-API call failed: keeps a pending JavaScript exception, else reports the step.
void CheckNapi(napi_env env, napi_status status, const char* step);

}  // namespace ndis_vfio
