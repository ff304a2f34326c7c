// What configurations are made of a text, and how others are refused.
#pragma once

#include <string>

#include <doctest/doctest.h>

#include "src/config/node_config.hpp"
#include "tests/src/config/scratch.hpp"

namespace eddy::test {

inline const std::string named = "[node]\nname = \"a\"\n";  // two lines

/// The message about `text` as node.toml, without folders.
inline std::string refusal(const Scratch& scratch, const std::string& text) {
    const auto result = config::parse_node_config(text, scratch.folder() / "node.toml");
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().code == ErrorCode::invalid);
    std::string message = result.error().message;
    const std::string folder = scratch.folder().string() + "/";
    for (size_t at = 0; (at = message.find(folder)) != std::string::npos;) message.erase(at, folder.size());
    return message;
}

inline NodeConfig accepted(const Scratch& scratch, const std::string& text) {
    auto result = config::parse_node_config(text, scratch.folder() / "node.toml");
    INFO((result.ok() ? std::string() : result.error().message));
    REQUIRE(result.ok());
    return *result;
}

}  // namespace eddy::test
