// A C interface to the process groups that libtorch brings (c10d): Gloo, and NCCL for CUDA devices. `group.rs` is its only caller.

#include <dlfcn.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

// libtorch comes without Gloo's own headers. This is what those of its process group ask for; all of it is defined in libtorch, and nothing of it
// is called, or known by its size, here.
namespace gloo {
class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};
namespace rendezvous {
class Store {
 public:
  virtual ~Store();
  virtual void set(const std::string& key, const std::vector<char>& value) = 0;
  virtual std::vector<char> get(const std::string& key) = 0;
  virtual void wait(const std::vector<std::string>& keys) = 0;
  virtual void wait(const std::vector<std::string>& keys, const std::chrono::milliseconds& timeout) = 0;
};
} // namespace rendezvous
namespace transport {
class Device;
class UnboundBuffer {
 public:
  virtual ~UnboundBuffer();
};
} // namespace transport
} // namespace gloo

#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <torch/types.h>

namespace {

using Store = c10::intrusive_ptr<c10d::Store>;
using Backend = c10::intrusive_ptr<c10d::Backend>;

struct Group {
  Backend gloo;
  // None where numbers stay in this machine's memory.
  Backend nccl;
  int device;
};

// Numbers from which on the way to a CUDA device and back is worth it.
constexpr size_t MANY = 1 << 16;

thread_local std::string error;

// Calls `work`; what it throws is kept for tadne_c10d_error.
template <typename Work>
auto guarded(decltype(std::declval<Work>()()) failed, Work work) noexcept -> decltype(work()) {
  try {
    return work();
  } catch (const c10::Error& e) {
    error = e.what_without_backtrace();
  } catch (const std::exception& e) {
    error = e.what();
  } catch (...) {
    error = "an unknown error";
  }
  return failed;
}

Backend gloo_group(const Store& store, int rank, int size, std::chrono::milliseconds timeout) {
  auto options = c10d::ProcessGroupGloo::Options::create(timeout);
  // As torch.distributed does: named interfaces, or the one that this machine's name leads to.
  const bool lazy = c10d::getDefaultGlooLazyInit();
  if (const char* names = std::getenv("GLOO_SOCKET_IFNAME"); names && *names) {
    std::istringstream all(names);
    for (std::string name; std::getline(all, name, ',');) {
      options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForInterface(name, lazy));
    }
  } else {
    options->devices.push_back(c10d::ProcessGroupGloo::createDefaultDevice(lazy));
  }
  return c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, size, options);
}

// A function of libtorch's CUDA, which is loaded while the program runs and so cannot be linked with.
template <typename Function>
Function of_cuda(const char* name) {
  void* library = dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_NOLOAD);
  TORCH_CHECK(library, "libtorch's CUDA is not loaded");
  void* found = dlsym(library, name);
  dlclose(library);
  TORCH_CHECK(found, "this libtorch was built without NCCL");
  return reinterpret_cast<Function>(found);
}

// An object made by a constructor of libtorch's whose header, which asks for those of CUDA and NCCL, is not at hand. It lies at the start of more room
// than it takes (the larger of the two has 1,112 bytes in libtorch 2.11), and what is known of it is its first base class.
template <typename Base, typename... Arguments>
c10::intrusive_ptr<Base> constructed(const char* constructor, Arguments... arguments) {
  constexpr size_t ROOM = 1 << 16;
  const auto construct = of_cuda<void (*)(void*, Arguments...)>(constructor);
  void* room = ::operator new(ROOM);
  std::memset(room, 0, ROOM);
  try {
    construct(room, arguments...);
  } catch (...) {
    ::operator delete(room);
    throw;
  }
  return c10::intrusive_ptr<Base>::unsafe_steal_from_new(static_cast<Base*>(room));
}

Backend nccl_group(const Store& store, int rank, int size, std::chrono::milliseconds timeout) {
  // A call that fails is an error of that call, and not the end of the process.
  setenv("TORCH_NCCL_BLOCKING_WAIT", "1", 0);
  // ProcessGroupNCCL::Options(bool is_high_priority_stream)
  auto options = constructed<c10d::Backend::Options>("_ZN4c10d16ProcessGroupNCCL7OptionsC1Eb", false);
  options->timeout = timeout;
  // ProcessGroupNCCL(c10::intrusive_ptr<Store>, int rank, int size, c10::intrusive_ptr<Options>)
  return constructed<c10d::Backend>(
      "_ZN4c10d16ProcessGroupNCCLC1EN3c1013intrusive_ptrINS_5StoreENS1_6detail34intrusive_target_default_null_typeIS3_EEEEii"
      "NS2_INS0_7OptionsENS5_IS8_EEEE",
      store, rank, size, options);
}

} // namespace

extern "C" {

// What the last call of this thread that failed has said.
const char* tadne_c10d_error() {
  return error.c_str();
}

// Meets the others at the store of rank 0, or of torchrun's agent where that listens; null if they do not come within the timeout. `device` is the
// number of a CUDA device, or negative.
Group* tadne_c10d_join(
    const char* host, uint16_t port, int rank, int size, unsigned restarts, bool agent_listens, int device, int64_t timeout_ms) {
  return guarded<>(static_cast<Group*>(nullptr), [&]() -> Group* {
    const std::chrono::milliseconds timeout(timeout_ms);
    c10d::TCPStoreOptions at;
    at.port = port;
    at.timeout = timeout;
    at.isServer = rank == 0 && !agent_listens;
    if (!agent_listens) {
      at.numWorkers = size;
    }
    // Those that were started again must not find the addresses of those before.
    const auto name = "tadne/" + std::to_string(restarts);
    Store all = c10::make_intrusive<c10d::PrefixStore>(name, c10::make_intrusive<c10d::TCPStore>(host, at));
    auto group = std::make_unique<Group>();
    group->device = device;
    group->gloo = gloo_group(c10::make_intrusive<c10d::PrefixStore>("gloo", all), rank, size, timeout);
    if (device >= 0) {
      group->nccl = nccl_group(c10::make_intrusive<c10d::PrefixStore>("nccl", all), rank, size, timeout);
    }
    return group.release();
  });
}

// Replaces numbers by their sums over all; false if that fails.
bool tadne_c10d_sum(Group* group, float* values, size_t count) {
  return guarded<>(false, [&] {
    const auto here = at::from_blob(values, {static_cast<int64_t>(count)}, at::kFloat);
    if (group->nccl && count >= MANY) {
      std::vector<at::Tensor> there{here.to(at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(group->device)))};
      group->nccl->allreduce(there)->wait();
      here.copy_(there[0]);
    } else {
      std::vector<at::Tensor> all{here};
      group->gloo->allreduce(all)->wait();
    }
    return true;
  });
}

void tadne_c10d_leave(Group* group) {
  guarded<>(false, [&] {
    delete group;
    return true;
  });
}
}
