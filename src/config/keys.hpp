// The one table of everything a configuration file may say: each key's type, range, default, help and destination.
// Error messages, the reference and the reader all come from it. Internal to src/config.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "eddy/config.hpp"

namespace eddy::config {

// What a key may hold. `allowed()` puts each into words.
struct NameType {};  ///< letters, digits, '.', '_' and '-': fit for file names, metrics and log lines
struct ZoneType {};  ///< names joined by '/', from the widest on
struct TextType {
    size_t bytes_min = 1;
    size_t bytes_max = 4096;
    std::string_view meaning;  ///< replaces the generic words
};
struct IntegerType {
    int64_t min = 0;
    int64_t max = 0;
};
struct NumberType {
    double min = 0;
    bool min_included = false;
    double max = 0;
};
struct FlagType {};
struct ChoiceType {
    std::vector<std::string_view> words;
};
struct EndpointType {
    uint16_t port_min = 1;
};
struct EndpointsType {
    size_t count_max = 0;
};
struct NodeIdType {};
using Type = std::variant<NameType, ZoneType, TextType, IntegerType, NumberType, FlagType, ChoiceType, EndpointType,
                          EndpointsType, NodeIdType>;

/// A value of the right type and in range. A choice is the index of its word, in the order of its enum.
using Value = std::variant<std::string, int64_t, double, bool, size_t, Endpoint, std::vector<Endpoint>, NodeId>;

/// Where a value was written.
struct Place {
    std::string table;  ///< with its brackets: "[compute]", "[[source]]"
    std::string key;
    uint32_t line = 0;
};

/// A configuration on its way in: what has been read, and where.
struct Draft {
    NodeConfig config;
    std::string key_file;
    std::map<std::string, uint32_t> lines;  ///< of "[table] key" for the keys that were written; "[table]" for tables
    struct SourceLines {
        uint32_t table = 0;
        std::map<std::string, uint32_t> keys;
    };
    std::vector<SourceLines> source_lines;  ///< beside config.sources
};

struct Key {
    std::string_view table;  ///< without brackets
    std::string_view name;
    Type type;
    std::string_view default_value;  ///< as TOML; empty: none
    std::string_view help;
    bool required = false;
    bool secret = false;  ///< never shown in a message
    /// Puts a value that has been checked into the draft; of sources, into the last one.
    std::function<void(Draft&, const Value&)> apply;
};

const std::vector<Key>& key_table();
/// In the order of the reference: "node", "cluster", …, "source".
const std::vector<std::string_view>& table_names();
/// "[compute]" or "[[source]]".
std::string bracketed(std::string_view table);
/// The range in words, as it ends an error message.
std::string allowed(const Type& type);

}  // namespace eddy::config
