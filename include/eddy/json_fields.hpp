// Reads JSON that others wrote, member by member, with bounds; the first thing that is wrong is kept with its place.
// A template over the JSON library's value type, so that include/ needs none; adapters give nlohmann::json.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace eddy {

/// One JSON object. Every getter gives a harmless value (0, empty) when the member is absent or wrong, and notes the
/// problem; look at `problem` once, at the end.
template <class Json>
class JsonFields {
public:
    /// `problem` must outlive this; it is written only while empty. `place` is what messages call the object.
    JsonFields(const Json& value, std::string place, std::string& problem)
        : value_(value), place_(std::move(place)), problem_(problem) {
        if (!value_.is_object()) fail({}, "an object");
    }

    [[nodiscard]] std::string text(std::string_view key, size_t bytes_max = 1024) const {
        const Json* member = find(key);
        if (member == nullptr || !member->is_string()) return fail(key, "a text"), std::string();
        auto text = member->template get<std::string>();
        if (text.size() > bytes_max) return fail(key, "a shorter text"), std::string();
        return text;
    }
    /// A whole number from 0 to `most`.
    [[nodiscard]] uint64_t count(std::string_view key, uint64_t most = UINT64_MAX) const {
        const Json* member = find(key);
        if (member == nullptr || !member->is_number_unsigned()) return fail(key, "a whole number of at least 0"), 0;
        const auto number = member->template get<uint64_t>();
        if (number > most) return fail(key, "at most " + std::to_string(most)), 0;
        return number;
    }
    /// A finite number; null, which is how JSON writes what is not finite, counts as 0.
    [[nodiscard]] double number(std::string_view key) const {
        const Json* member = find(key);
        if (member != nullptr && member->is_null()) return 0;
        const double number = member != nullptr && member->is_number() ? member->template get<double>() : NAN;
        if (!std::isfinite(number)) return fail(key, "a number"), 0;
        return number;
    }
    [[nodiscard]] bool flag(std::string_view key) const {
        const Json* member = find(key);
        if (member == nullptr || !member->is_boolean()) return fail(key, "true or false"), false;
        return member->template get<bool>();
    }
    [[nodiscard]] bool is_null(std::string_view key) const {
        const Json* member = find(key);
        return member != nullptr && member->is_null();
    }
    [[nodiscard]] JsonFields object(std::string_view key) const {
        static const Json nothing;
        const Json* member = find(key);
        return JsonFields(member == nullptr ? nothing : *member, place_of(key), problem_);
    }
    /// Calls `each(const Json& item, const std::string& place)`.
    template <class Each>
    void list(std::string_view key, size_t count_max, Each each) const {
        const Json* member = find(key);
        if (member == nullptr || !member->is_array() || member->size() > count_max)
            return fail(key, "a list of at most " + std::to_string(count_max));
        size_t i = 0;
        for (const auto& item : *member) each(item, place_of(key) + "[" + std::to_string(i++) + "]");
    }
    /// Calls `each(const std::string& name)` for the members of this object.
    template <class Each>
    void names(size_t count_max, Each each) const {
        if (!value_.is_object()) return;
        if (value_.size() > count_max) return fail({}, "at most " + std::to_string(count_max) + " members");
        for (auto member = value_.begin(); member != value_.end(); ++member) each(member.key());
    }

    void fail(std::string_view key, std::string_view allowed) const {
        if (problem_.empty()) problem_ = place_of(key) + ": allowed: " + std::string(allowed);
    }

private:
    [[nodiscard]] const Json* find(std::string_view key) const {
        if (!value_.is_object()) return nullptr;
        const auto member = value_.find(std::string(key));
        return member == value_.end() ? nullptr : &*member;
    }
    [[nodiscard]] std::string place_of(std::string_view key) const {
        return key.empty() ? place_ : place_ + "." + std::string(key.substr(0, 64));
    }

    const Json& value_;
    std::string place_;
    std::string& problem_;
};

}  // namespace eddy
