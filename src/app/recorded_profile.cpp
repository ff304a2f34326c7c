#include "src/app/recorded_profile.hpp"

#include <fstream>
#include <optional>

#include "models/engine/profile_json.hpp"
#include "models/engine/row_profile_json.hpp"

namespace eddy::app {

namespace {

/// Nothing if the file cannot be read; one byte more than `bytes_max` of a file that is larger.
std::optional<std::string> read_at_most(const std::string& path, size_t bytes_max) {
    std::ifstream file(path, std::ios::binary);
    std::string text(bytes_max + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (file.bad() || (file.fail() && !file.eof())) return std::nullopt;
    text.resize(static_cast<size_t>(file.gcount()));
    return text;
}

template <class Profile>
Result<Profile> recorded(const std::string& path, size_t bytes_max, Result<Profile> (*parse)(const std::string&),
                         const char* how) {
    const auto text = read_at_most(path, bytes_max);
    if (!text) return invalid(path + ": cannot be read");
    auto profile = parse(*text);
    if (!profile)
        return Error{profile.error().code, path + ": " + profile.error().message + " (`" + how + "` records one)"};
    return profile;
}

}  // namespace

Result<ModelProfile> recorded_profile(const std::string& path) {
    return recorded(path, size_t{1} << 20, engine::profile_from_json, "eddy model inspect MODEL.pt --profile");
}

namespace {
constexpr const char* how_rows = "eddy plan edgeflow MODEL.pt EXPERIMENT.toml --record FILE";
}

Result<RowProfile> recorded_row_profile(const std::string& path) {
    return recorded(path, engine::row_profile_bytes_max, engine::row_profile_from_json, how_rows);
}

Result<engine::RowModel> recorded_row_model(const std::string& path) {
    return recorded(path, engine::row_profile_bytes_max, engine::row_model_from_json, how_rows);
}

}  // namespace eddy::app
