#include "src/config/file.hpp"

#include <fstream>
#include <system_error>

#include <fmt/format.h>

namespace eddy::config {

namespace fs = std::filesystem;

Result<std::string> read_file(const fs::path& file) {
    std::error_code error;
    const auto status = fs::status(file, error);
    if (!fs::exists(status)) return invalid(fmt::format("{}: no such file", file.string()));
    if (!fs::is_regular_file(status)) return invalid(fmt::format("{}: not a file", file.string()));
    std::ifstream in(file, std::ios::binary);
    if (!in.is_open()) return invalid(fmt::format("{}: cannot be read", file.string()));
    std::string text(file_bytes_max + 1, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (in.bad()) return invalid(fmt::format("{}: cannot be read", file.string()));
    text.resize(static_cast<size_t>(in.gcount()));
    return text;
}

Status with_toml(std::string_view text, const std::string& name, const std::function<void(const toml::table&)>& read) {
    if (text.size() > file_bytes_max)
        return invalid(fmt::format("{}: found {} bytes, allowed: at most {}", name, text.size(), file_bytes_max));
    try {
        read(toml::parse(text, name));
        return success();
    } catch (const toml::parse_error& error) {
        return invalid(fmt::format("{}:{}: not TOML: {}", name, error.source().begin.line, error.description()));
    } catch (const std::exception& error) {
        return internal(fmt::format("{}: {}", name, error.what()));
    }
}

std::string absolute_from(const fs::path& file, const std::string& path) {
    return (fs::absolute(file).parent_path() / path).lexically_normal().string();
}

void check_file(const Place& place, const std::string& path, Problems& problems) {
    std::error_code error;
    const auto status = fs::status(path, error);
    if (!fs::exists(status))
        problems.add(place, fmt::format("\"{}\", which does not exist", path), "a file that exists");
    else if (!fs::is_regular_file(status))
        problems.add(place, fmt::format("\"{}\", which is not a file", path), "a file that exists");
}

}  // namespace eddy::config
