// A form: everything that a file of one kind may say, with each key's type, range, default, help and destination. Error
// messages, the reference and the reader all come from it. Internal to src/config.
#pragma once

#include <any>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "eddy/ids.hpp"
#include "eddy/messages.hpp"
#include "src/config/key_help.hpp"

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

struct Key {
    std::string_view table;  ///< without brackets
    std::string_view name;
    Type type;
    std::string_view default_value;  ///< as TOML; empty: none
    std::string_view help;
    bool required = false;
    bool secret = false;  ///< never shown in a message
    /// Puts a checked value into the struct that `into` points to: the one the form's reader keeps for this table.
    std::function<void(const std::any& into, const Value&)> apply;
};

struct TableForm {
    std::string_view name;
    size_t count_max = 1;   ///< more than one: written [[name]], as often as that
    std::string_view each;  ///< what one of several stands for: "a camera"
};

struct Form {
    std::string_view heading;  ///< first lines of the reference, without "# "
    std::vector<TableForm> tables;
    std::vector<Key> keys;

    [[nodiscard]] const TableForm* table(std::string_view name) const;
    [[nodiscard]] const Key* key(std::string_view table, std::string_view name) const;
};

const Form& node_form();
const Form& experiment_form();

/// "[compute]" or "[[source]]".
std::string bracketed(const TableForm& table);
/// The range in words, as it ends an error message.
std::string allowed(const Type& type);
std::vector<KeyHelp> help_of(const Form& form);
std::string reference_of(const Form& form);

/// A setter by member: its type picks the conversion. `Into` is the struct of the key's table, or what `Into` derives
/// from has the member.
template <class Into, class Struct, class Member>
auto setter(Member Struct::*member) {
    return [member](const std::any& into, const Value& value) {
        Member& at = std::any_cast<Into*>(into)->*member;
        if constexpr (std::is_enum_v<Member>)
            at = static_cast<Member>(std::get<size_t>(value));
        else if constexpr (std::is_same_v<Member, bool>)
            at = std::get<bool>(value);
        else if constexpr (std::is_integral_v<Member>)
            at = static_cast<Member>(std::get<int64_t>(value));
        else if constexpr (std::is_same_v<Member, std::optional<uint64_t>>)
            at = static_cast<uint64_t>(std::get<int64_t>(value));
        else if constexpr (std::is_same_v<Member, std::optional<double>>)
            at = std::get<double>(value);
        else if constexpr (std::is_same_v<Member, std::optional<Endpoint>>)
            at = std::get<Endpoint>(value);
        else if constexpr (std::is_same_v<Member, std::optional<NodeId>>)
            at = std::get<NodeId>(value);
        else
            at = std::get<Member>(value);
    };
}

}  // namespace eddy::config
