#include "src/app/recorded_profile.hpp"

#include <fstream>

#include "models/engine/profile_json.hpp"

namespace eddy::app {

namespace {
constexpr size_t profile_bytes_max = size_t{1} << 20;
}  // namespace

Result<ModelProfile> recorded_profile(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string text(profile_bytes_max + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (file.bad() || (file.fail() && !file.eof())) return invalid(path + ": cannot be read");
    text.resize(static_cast<size_t>(file.gcount()));
    auto profile = engine::profile_from_json(text);
    if (!profile)
        return Error{profile.error().code,
                     path + ": " + profile.error().message + " (`eddy model inspect MODEL.pt --profile` records one)"};
    return profile;
}

}  // namespace eddy::app
