// A folder to read small experiments from, and what they are made of.
#pragma once

#include <string>

#include <doctest/doctest.h>

#include "src/config/experiment.hpp"
#include "tests/src/config/scratch.hpp"

namespace eddy::test {

/// A folder with a profile, and experiments read from it as x.toml.
struct Folder {
    Folder() { scratch.write("p.json", "{}"); }

    [[nodiscard]] Result<Experiment> read(const std::string& text) const {
        return config::parse_experiment(text, scratch.folder() / "x.toml");
    }
    [[nodiscard]] Experiment accepted(const std::string& text) const {
        auto result = read(text);
        INFO((result ? std::string() : result.error().message));
        REQUIRE(result);
        return *result;
    }
    /// The message, without folders.
    [[nodiscard]] std::string refusal(const std::string& text) const {
        const auto result = read(text);
        REQUIRE_FALSE(result);
        CHECK(result.error().code == ErrorCode::invalid);
        std::string message = result.error().message;
        const std::string path = scratch.folder().string() + "/";
        for (size_t at = 0; (at = message.find(path)) != std::string::npos;) message.erase(at, path.size());
        return message;
    }

    Scratch scratch;
};

inline const std::string head = "[experiment]\nprofile = \"p.json\"\n";          // two lines
inline const std::string device = "[[device]]\nname = \"a\"\n";                  // two lines
inline const std::string source = "[[source]]\nname = \"s\"\ndevice = \"a\"\n";  // three lines
inline const std::string small = head + device + source;                         // seven lines

inline std::string hex_id(const std::string& end) { return std::string(40 - end.size(), '0') + end; }

}  // namespace eddy::test
