// Turns parsed TOML into values, key by key, by the form in keys.hpp. Internal to src/config.
#pragma once

#include <any>
#include <functional>
#include <map>
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

/// Which tables and keys a file has, and where; also those whose value was refused, since what is there but wrong must
/// not be called missing as well.
class Written {
public:
    explicit Written(const Form& form) : form_(&form) {}

    /// Does the table occur at all, in whatever form?
    [[nodiscard]] bool has(std::string_view table) const { return tables_.count(table) > 0; }
    [[nodiscard]] bool has(std::string_view table, std::string_view key, size_t index = 0) const;
    /// The key's line, or else its table's, or else the first.
    [[nodiscard]] Place at(std::string_view table, std::string_view key, size_t index = 0) const;

private:
    friend class TableReader;
    struct Lines {
        uint32_t table = 0;
        std::map<std::string, uint32_t, std::less<>> keys;
    };
    const Form* form_;
    std::map<std::string, std::vector<Lines>, std::less<>> tables_;
};

/// Gives the struct for the values of the next table of a name, as a pointer that the setters of its keys understand.
/// Called once a table, in the order of the file, before its values are set.
using IntoTable = std::function<std::any(std::string_view table)>;

/// Checks every key of every table for name, type and range, and sets what is right.
Written read_tables(const toml::table& root, const Form& form, const IntoTable& into, Problems& problems);

/// The nearest of `words`, or empty if none is near enough to be what was meant.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& words);

}  // namespace eddy::config
