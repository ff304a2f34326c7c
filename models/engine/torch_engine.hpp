// Finds LibTorch's engine. It is a library of its own, loaded with the first model: LibTorch takes half a second of
// processor time and 150 MB to load, which `eddy status`, a relay and a replaying node would pay for nothing.
#pragma once

#include <memory>
#include <string>

#include "eddy/result.hpp"
#include "models/engine/engine.hpp"

namespace eddy::engine {

inline constexpr const char* torch_library = "libeddy-torch.so";
/// The function of this name, `const EngineEntry* eddy_engine()`, tells what a library holds.
inline constexpr const char* entry_name = "eddy_engine";

struct EngineEntry {
    const char* version;   ///< engine_version() of what it was built with; the first member for ever
    const Engine* engine;  ///< lives as long as the program
};

/// Program and library exchange C++ objects, so they must be of one build; this is Eddy's version and compiler.
[[nodiscard]] std::string engine_version();

/// Loads the library for good. Errors name it, why, and where it belongs. Thread-safe.
[[nodiscard]] Result<const Engine*> load_engine(const std::string& library);

/// The one next to this program, loaded by the first call. Thread-safe.
[[nodiscard]] Result<const Engine*> torch_engine();

/// torch_engine()'s load.
[[nodiscard]] Result<std::shared_ptr<Model>> load_model(const std::string& path);

}  // namespace eddy::engine
