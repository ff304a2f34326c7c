// Cap'n Proto's own tool with Eddy's schema: messages as text, for what no encoder of ours would write or has to read.
#pragma once

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include <unistd.h>

namespace eddy::transport::testing {

/// `verb`: encode or decode. What the tool writes to its output; nothing if it fails.
inline std::vector<std::byte> run_capnp(const std::string& verb, std::span<const std::byte> input) {
    const auto file = std::filesystem::temp_directory_path() / ("eddy-capnp-" + std::to_string(getpid()));
    std::ofstream(file, std::ios::binary)
        .write(reinterpret_cast<const char*>(input.data()), static_cast<std::streamsize>(input.size()));
    const std::string schema = std::string(EDDY_SOURCE_DIR) + "/src/transport/schema/eddy.capnp";
    FILE* pipe = popen(("capnp " + verb + " " + schema + " Envelope < " + file.string()).c_str(), "r");
    std::vector<std::byte> output;
    std::byte space[4096];
    while (const size_t count = pipe == nullptr ? 0 : fread(space, 1, sizeof space, pipe))
        output.insert(output.end(), space, space + count);
    const bool done = pipe != nullptr && pclose(pipe) == 0;
    std::filesystem::remove(file);
    return done ? output : std::vector<std::byte>();
}

}  // namespace eddy::transport::testing
