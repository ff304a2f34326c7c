#include "models/engine/torch_engine.hpp"

extern "C" const eddy::engine::EngineEntry* eddy_engine() {
    static const eddy::engine::EngineEntry entry{"0.0.0, g++ 1", nullptr};
    return &entry;
}
