// What a compute lane's thread must be told, and what it runs on.
#include <fstream>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <dlfcn.h>
#include <torch/version.h>

#include "models/torch/executor.hpp"

namespace eddy::torch_exec {

namespace {

std::string processor_name() {
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);) {
        const auto colon = line.find(": ");
        if (colon == std::string::npos) continue;
        if (line.rfind("model name", 0) == 0 || line.rfind("Model", 0) == 0) return line.substr(colon + 2);
    }
    return EDDY_DEVICE_ARCH;
}

/// "AVX2", as LibTorch chose it; in 1.13 only the text for people says so.
std::string vector_units() {
    static constexpr std::string_view label = "CPU capability usage: ";
    const std::string config = at::show_config();
    const auto at = config.find(label);
    if (at == std::string::npos) return "unknown vector units";
    return config.substr(at + label.size(), config.find('\n', at) - at - label.size());
}

}  // namespace

void bind_lane_thread(uint32_t threads) {
    static thread_local uint32_t bound = 0;
    if (bound == threads) return;
    bound = threads;
    at::set_num_threads(static_cast<int>(threads));
    // LibTorch does not pass the number on to OpenBLAS, which would use every processor for linear layers.
    using SetThreads = void (*)(int);
    if (auto* set = reinterpret_cast<SetThreads>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads")))
        set(static_cast<int>(threads));
}

std::string device_description() {
    std::string text = processor_name() + ", " + vector_units() + ", LibTorch " + TORCH_VERSION;
    if (at::hasMKLDNN()) text += ", oneDNN";
    return text;
}

}  // namespace eddy::torch_exec
