// Library exceptions as text for people. Internal to models/torch.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace eddy::torch_exec {

/// LibTorch's messages carry a C++ backtrace from the second line on.
inline std::string first_line(std::string_view text) {
    constexpr size_t length_max = 240;
    return std::string(text.substr(0, std::min(text.find('\n'), length_max)));
}

}  // namespace eddy::torch_exec
