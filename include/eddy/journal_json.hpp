// Journal totals as a member of reports and of a node's status: both write and read them here.
// Templates over the JSON library's value type, as json_fields.hpp.
#pragma once

#include <optional>

#include "eddy/journal.hpp"
#include "eddy/json_fields.hpp"

namespace eddy::journal {

/// null: nothing is known of earlier lives.
template <class Json>
Json to_value(const std::optional<Totals>& lives) {
    if (!lives) return nullptr;
    return {{"captured", lives->captured},
            {"admitted", lives->admitted},
            {"completed", lives->completed},
            {"failed", lives->failed},
            {"dropped", lives->dropped}};
}

/// Of a member that may be null, or be missing: it came into the schemas later.
template <class Json>
std::optional<Totals> read_totals(const Json& value, const JsonFields<Json>& fields, const char* key) {
    if (!value.is_object() || !value.contains(key) || fields.is_null(key)) return std::nullopt;
    const auto lives = fields.object(key);
    return Totals{lives.count("captured"), lives.count("admitted"), lives.count("completed"), lives.count("failed"),
                  lives.count("dropped")};
}

}  // namespace eddy::journal
