// Reading profiles: fields of hostile JSON, each within its bound. Internal to models/engine. What is wrong is thrown
// as BadProfile, and read_profile makes an error of it.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "eddy/ids.hpp"
#include "eddy/messages.hpp"
#include "eddy/result.hpp"

namespace eddy::engine::fields {

using nlohmann::json;

/// An hour for a layer, and as many parameters or bytes, are beyond anything real.
inline constexpr uint64_t count_max = uint64_t{1} << 50;

struct BadProfile {
    std::string what;
};

inline const json& member(const json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end()) throw BadProfile{std::string("\"") + key + "\" is missing"};
    return *found;
}

inline uint64_t count(const json& object, const char* key, uint64_t max = count_max) {
    const json& value = member(object, key);
    if (!value.is_number_unsigned() || value.get<uint64_t>() > max)
        throw BadProfile{std::string("\"") + key + "\" must be a whole number from 0 to " + std::to_string(max)};
    return value.get<uint64_t>();
}

/// Microseconds, fractions allowed.
inline double time_us(const json& object, const char* key) {
    const json& value = member(object, key);
    const double time = value.is_number() ? value.get<double>() : -1;
    if (!std::isfinite(time) || time < 0 || time > static_cast<double>(count_max))
        throw BadProfile{std::string("\"") + key + "\" must be a number >= 0"};
    return time;
}

inline std::string text(const json& object, const char* key) {
    const json& value = member(object, key);
    if (!value.is_string() || value.get_ref<const std::string&>().size() > text_bytes_max)
        throw BadProfile{std::string("\"") + key + "\" must be a short text"};
    return value.get<std::string>();
}

inline ContentHash hash(const json& object, const char* key) {
    ContentHash made;
    if (!detail::unhex(text(object, key), made.bytes.data(), made.bytes.size()))
        throw BadProfile{std::string("\"") + key + "\" must be 64 hexadecimal digits"};
    return made;
}

inline const json& list(const json& object, const char* key, size_t max) {
    const json& value = member(object, key);
    if (!value.is_array() || value.empty() || value.size() > max)
        throw BadProfile{std::string("\"") + key + "\" must be a list of 1 to " + std::to_string(max)};
    return value;
}

/// `read(object, place)` gives the profile; before it goes into a list it sets `place` to where it is.
template <class Profile, class Read>
Result<Profile> read_profile(const char* name, const char* schema, size_t bytes_max, const std::string& text_in,
                             const Read& read) {
    const std::string prefix = std::string(name) + ": ";
    if (text_in.size() > bytes_max) return invalid(prefix + "larger than " + std::to_string(bytes_max >> 20) + " MiB");
    std::string place;
    try {
        const json object = json::parse(text_in);
        if (!object.is_object() || text(object, "schema") != schema)
            return invalid(prefix + "\"schema\" must be \"" + schema + "\"");
        return read(object, place);
    } catch (const BadProfile& bad) {
        return invalid(prefix + place + bad.what);
    } catch (const json::exception& error) {
        return invalid(prefix + error.what());
    }
}

}  // namespace eddy::engine::fields
