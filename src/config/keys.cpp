#include "src/config/keys.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "eddy/config.hpp"

namespace eddy::config {
namespace {

struct Words {
    std::string operator()(const NameType&) const {
        return fmt::format("a text of 1 to {} letters, digits, '.', '_' or '-'", name_bytes_max);
    }
    std::string operator()(const ZoneType&) const {
        return fmt::format("a text of 1 to {} names joined by '/', each of 1 to {} letters, digits, '.', '_' or '-'",
                           zone_levels_max, name_bytes_max);
    }
    std::string operator()(const TextType& type) const {
        if (!type.meaning.empty()) return std::string(type.meaning);
        return fmt::format("a text of {} to {} bytes", type.bytes_min, type.bytes_max);
    }
    std::string operator()(const IntegerType& type) const {
        return fmt::format("a whole number from {} to {}", type.min, type.max);
    }
    std::string operator()(const NumberType& type) const {
        if (type.min_included) return fmt::format("a number from {} to {}", type.min, type.max);
        return fmt::format("a number above {} and at most {}", type.min, type.max);
    }
    std::string operator()(const FlagType&) const { return "true or false"; }
    std::string operator()(const ChoiceType& type) const {
        std::string words;
        for (size_t i = 0; i < type.words.size(); ++i) {
            if (i > 0) words += i + 1 == type.words.size() ? " or " : ", ";
            words += fmt::format("\"{}\"", type.words[i]);
        }
        return words;
    }
    std::string operator()(const EndpointType& type) const {
        return fmt::format("a text \"host:port\" with a port from {} to 65535", type.port_min);
    }
    std::string operator()(const EndpointsType& type) const {
        return fmt::format("a list of at most {} texts \"host:port\"", type.count_max);
    }
    std::string operator()(const NodeIdType&) const { return "a text of 40 hexadecimal digits"; }
};

constexpr size_t line_bytes_max = 118;

/// A comment of TOML, broken at spaces where it would be too long.
std::string comment(std::string_view text) {
    std::string lines;
    while (text.size() + 2 > line_bytes_max) {
        const size_t space = text.rfind(' ', line_bytes_max - 2);
        if (space == std::string_view::npos || space == 0) break;
        lines += fmt::format("# {}\n", text.substr(0, space));
        text.remove_prefix(space + 1);
    }
    return lines + fmt::format("# {}\n", text);
}

}  // namespace

const TableForm* Form::table(std::string_view name) const {
    const auto found =
        std::find_if(tables.begin(), tables.end(), [name](const auto& each) { return each.name == name; });
    return found == tables.end() ? nullptr : &*found;
}

const Key* Form::key(std::string_view in_table, std::string_view name) const {
    const auto found = std::find_if(keys.begin(), keys.end(),
                                    [&](const Key& each) { return each.table == in_table && each.name == name; });
    return found == keys.end() ? nullptr : &*found;
}

std::string bracketed(const TableForm& table) {
    return table.count_max > 1 ? fmt::format("[[{}]]", table.name) : fmt::format("[{}]", table.name);
}

std::string allowed(const Type& type) { return std::visit(Words{}, type); }

std::vector<KeyHelp> help_of(const Form& form) {
    std::vector<KeyHelp> all;
    for (const Key& key : form.keys)
        all.push_back({std::string(key.table), std::string(key.name), allowed(key.type), std::string(key.default_value),
                       key.required, std::string(key.help)});
    return all;
}

std::string reference_of(const Form& form) {
    std::string text = "# ";
    for (const char c : form.heading) text += c == '\n' ? "\n# " : std::string(1, c);
    text += '\n';
    for (const TableForm& table : form.tables) {
        text += fmt::format("\n{}{}\n", bracketed(table),
                            table.each.empty() ? "" : fmt::format("  # one such table {}", table.each));
        for (const Key& key : form.keys) {
            if (key.table != table.name) continue;
            text += comment(fmt::format("{}: {}", key.name, key.help));
            text += fmt::format("#   {}{}\n", key.required ? "required; " : "", allowed(key.type));
            if (!key.default_value.empty()) text += fmt::format("{} = {}\n", key.name, key.default_value);
        }
    }
    return text;
}

}  // namespace eddy::config
