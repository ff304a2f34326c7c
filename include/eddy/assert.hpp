// EDDY_ASSERT: for bugs only, and on in release builds too. Nothing that arrives from the network, a
// file or a camera may reach one: such input is refused with a Result.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace eddy {

[[noreturn]] inline void assertion_failed(const char* condition, const char* file, int line) {
    std::fprintf(stderr, "eddy: bug: %s:%d: assertion failed: %s\n", file, line, condition);
    std::abort();
}

}  // namespace eddy

#define EDDY_ASSERT(condition) \
    (static_cast<bool>(condition) ? void(0) : ::eddy::assertion_failed(#condition, __FILE__, __LINE__))
