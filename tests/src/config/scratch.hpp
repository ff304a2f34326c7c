// A folder of its own for one test, removed at its end.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include <unistd.h>

#include "eddy/assert.hpp"

namespace eddy::test {

class Scratch {
public:
    Scratch() {
        std::string pattern = (std::filesystem::temp_directory_path() / "eddy-config-XXXXXX").string();
        EDDY_ASSERT(::mkdtemp(pattern.data()) != nullptr);
        folder_ = pattern;
    }
    ~Scratch() {
        std::error_code error;
        std::filesystem::remove_all(folder_, error);
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
    std::filesystem::path write(const std::string& name, const std::string& text) const {
        const auto path = folder_ / name;
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path) << text;
        return path;
    }

private:
    std::filesystem::path folder_;
};

}  // namespace eddy::test
