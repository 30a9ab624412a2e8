// Module entry: the functions of src/host/addon.ts. Layer: native.
// Invariant: initialised once per environment (main thread and every worker); all state hangs on the environment.
#include <sys/resource.h>
#include <time.h>

#include <array>
#include <limits>

#include "environment.h"
#include "irq.h"
#include "tap.h"
#include "vfio.h"

namespace ndis_vfio {
namespace {

// As Thunk, for functions without a handle.
template <Napi::Value (*Function)(const Napi::CallbackInfo&)>
napi_value Free(napi_env env, napi_callback_info info) {
  return Guarded(env, [&]() -> napi_value { return Function(Napi::CallbackInfo(env, info)); });
}

Napi::Value ReadClock(const Napi::CallbackInfo& call) {
  const Words into = WordsArgument(call, 0, "readClock(into)");
  if (into.length < 2) ThrowCode(call.Env(), kRange, "readClock(into)", "shorter than 2 words");
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  into.data[0] = static_cast<std::uint32_t>(now.tv_sec);
  into.data[1] = static_cast<std::uint32_t>(now.tv_nsec);
  return call.Env().Undefined();
}

Napi::Value Stall(const Napi::CallbackInfo& call) {
  if (!call[0].IsNumber()) ThrowCode(call.Env(), kArgument, "stall(delayUs)", "not a number");
  const double delayUs = call[0].As<Napi::Number>().DoubleValue();
  if (!(delayUs >= 0 && delayUs <= 1e6)) ThrowCode(call.Env(), kRange, "stall(delayUs)", "not from 0 to 1000000");
  timespec start{};
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &start);
  do {
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while (static_cast<double>(now.tv_sec - start.tv_sec) * 1e6 +
               static_cast<double>(now.tv_nsec - start.tv_nsec) / 1e3 <
           delayUs);
  return call.Env().Undefined();
}

Napi::Value MemlockLimit(const Napi::CallbackInfo& call) {
  rlimit limit{};
  if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0) ThrowErrno(call.Env(), "getrlimit", "RLIMIT_MEMLOCK", errno);
  return Napi::Number::New(call.Env(), limit.rlim_cur == RLIM_INFINITY ? std::numeric_limits<double>::infinity()
                                                                       : static_cast<double>(limit.rlim_cur));
}

Napi::Value HandleCounts(const Napi::CallbackInfo& call) {
  std::array<unsigned, kKindNames.size()> counts{};
  for (const auto& handle : Environment::Of(call.Env()).open()) ++counts[static_cast<unsigned>(handle->kind())];
  const Napi::Object result = Napi::Object::New(call.Env());
  for (std::size_t kind = 0; kind < counts.size(); ++kind) {
    result.Set(kKindNames[kind], Napi::Number::New(call.Env(), counts[kind]));
  }
  return result;
}

Napi::Object Initialize(Napi::Env env, Napi::Object exports) {
  Environment::Attach(env);
  const auto add = [&](const char* name, napi_callback callback) {
    napi_value function = nullptr;
    CheckNapi(env, napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function), name);
    exports.Set(name, Napi::Value(env, function));
  };
  add("openContainer", Free<OpenContainer>);
  add("openTap", Free<Tap::OpenTap>);
  add("openEventfds", Free<IrqSet::OpenEventfds>);
  add("readClock", Free<ReadClock>);
  add("stall", Free<Stall>);
  add("memlockLimit", Free<MemlockLimit>);
  add("handleCounts", Free<HandleCounts>);
  return exports;
}

}  // namespace
}  // namespace ndis_vfio

static Napi::Object InitializeModule(Napi::Env env, Napi::Object exports) {
  return ndis_vfio::Initialize(env, exports);
}
NODE_API_MODULE(ndis_vfio, InitializeModule)
