// Turns parsed TOML into a Draft, key by key, by the table in keys.hpp. Internal to src/config.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <toml++/toml.h>

#include "src/config/keys.hpp"

namespace eddy::config {

/// Everything wrong with one file.
class Problems {
public:
    explicit Problems(std::string file) : file_(std::move(file)) {}
    void add(const Place& place, std::string_view found, std::string_view allowed);
    [[nodiscard]] bool empty() const { return items_.empty(); }
    /// One line each, in the file's order.
    [[nodiscard]] std::string text() const;

private:
    struct Item {
        uint32_t line;
        std::string text;
    };
    std::string file_;
    std::vector<Item> items_;
};

/// Checks every key of every table for name, type and range; what is right goes into the draft.
Draft read_tables(const toml::table& root, Problems& problems);

/// The nearest of `words`, or empty if none is near enough to be what was meant.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& words);

}  // namespace eddy::config
