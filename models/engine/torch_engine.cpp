#include "models/engine/torch_engine.hpp"

#include <filesystem>
#include <system_error>

#include <dlfcn.h>

namespace eddy::engine {

namespace {

Error not_loaded(const std::string& library, const std::string& why) {
    return unavailable(library + ", which runs models, cannot be used: " + why +
                       "; it is built with Eddy's programs and belongs into their folder");
}

}  // namespace

std::string engine_version() { return EDDY_VERSION ", g++ " __VERSION__; }

Result<const Engine*> load_engine(const std::string& library) {
    // RTLD_LOCAL: what LibTorch brings along must not stand in for a library of the program's own.
    void* handle = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) return not_loaded(library, ::dlerror());
    const auto entry = reinterpret_cast<const EngineEntry* (*)()>(::dlsym(handle, entry_name));
    if (entry == nullptr) return not_loaded(library, std::string("it has no ") + entry_name);
    const EngineEntry* told = entry();
    if (engine_version() != told->version)
        return not_loaded(library, std::string("it is of another build (") + told->version + ", this program is of " +
                                       engine_version() + ")");
    return told->engine;
}

Result<const Engine*> torch_engine() {
    static const Result<const Engine*> engine = [] {
        std::error_code error;
        const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
        return load_engine((program.parent_path() / torch_library).string());
    }();
    return engine;
}

Result<std::shared_ptr<Model>> load_model(const std::string& path) {
    const auto engine = torch_engine();
    if (!engine) return engine.error();
    return (*engine)->load(path);
}

}  // namespace eddy::engine
