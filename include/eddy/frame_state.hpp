// How a frame can end.
#pragma once

#include <cstdint>

namespace eddy {

enum class FrameState : uint8_t { completed, failed, dropped };

}  // namespace eddy
