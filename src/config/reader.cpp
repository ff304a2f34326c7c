#include "src/config/reader.hpp"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "src/config/node_config.hpp"

namespace eddy::config {
namespace {

constexpr size_t shown_bytes_max = 80;

std::string shown(std::string_view text) {
    std::string out(text.substr(0, shown_bytes_max));
    if (text.size() > shown_bytes_max) out += "…";
    for (char& c : out)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    return out;
}

/// What stands in the file, in words for people.
std::string found_words(const toml::node& node) {
    if (node.is_table()) return "a table";
    if (const auto* array = node.as_array()) return fmt::format("a list of {}", array->size());
    if (const auto* text = node.as_string()) return fmt::format("\"{}\"", shown(text->get()));
    std::ostringstream out;
    node.visit([&out](const auto& value) {
        if constexpr (!toml::is_table<decltype(value)> && !toml::is_array<decltype(value)>) out << value;
    });
    return shown(out.str());
}

bool is_name(std::string_view text) {
    if (text == "." || text == "..") return false;
    return !text.empty() && text.size() <= name_bytes_max && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' ||
               c == '-';
    });
}

/// A TOML node as a value of each type; nothing if it is of another type or out of range.
struct Convert {
    const toml::node& node;

    std::optional<Value> operator()(const NameType&) const {
        const auto text = node.value_exact<std::string>();
        if (!text || !is_name(*text)) return std::nullopt;
        return *text;
    }
    std::optional<Value> operator()(const ZoneType&) const {
        const auto text = node.value_exact<std::string>();
        if (!text) return std::nullopt;
        std::string_view rest = *text;
        for (size_t levels = 1; levels <= zone_levels_max; ++levels) {
            const size_t slash = rest.find('/');
            if (!is_name(rest.substr(0, slash))) return std::nullopt;
            if (slash == std::string_view::npos) return *text;
            rest.remove_prefix(slash + 1);
        }
        return std::nullopt;
    }
    std::optional<Value> operator()(const TextType& type) const {
        const auto text = node.value_exact<std::string>();
        if (!text || text->size() < type.bytes_min || text->size() > type.bytes_max) return std::nullopt;
        if (text->find('\0') != std::string::npos) return std::nullopt;
        return *text;
    }
    std::optional<Value> operator()(const IntegerType& type) const {
        const auto number = node.value_exact<int64_t>();
        if (!number || *number < type.min || *number > type.max) return std::nullopt;
        return *number;
    }
    std::optional<Value> operator()(const NumberType& type) const {
        if (!node.is_number()) return std::nullopt;
        const double number =
            node.is_integer() ? static_cast<double>(node.as_integer()->get()) : node.as_floating_point()->get();
        // Written so that a NaN fails too.
        const bool above = type.min_included ? number >= type.min : number > type.min;
        if (!above || !(number <= type.max)) return std::nullopt;
        return number;
    }
    std::optional<Value> operator()(const FlagType&) const {
        const auto flag = node.value_exact<bool>();
        if (!flag) return std::nullopt;
        return *flag;
    }
    std::optional<Value> operator()(const ChoiceType& type) const {
        const auto text = node.value_exact<std::string>();
        if (!text) return std::nullopt;
        const auto word = std::find(type.words.begin(), type.words.end(), *text);
        if (word == type.words.end()) return std::nullopt;
        return static_cast<size_t>(word - type.words.begin());
    }
    std::optional<Value> operator()(const EndpointType& type) const {
        const auto text = node.value_exact<std::string>();
        if (!text) return std::nullopt;
        auto endpoint = parse_endpoint(*text);
        if (!endpoint.ok() || endpoint->port < type.port_min) return std::nullopt;
        return *endpoint;
    }
    std::optional<Value> operator()(const EndpointsType& type) const {
        const auto* array = node.as_array();
        if (array == nullptr || array->size() > type.count_max) return std::nullopt;
        std::vector<Endpoint> endpoints;
        for (const auto& item : *array) {
            const auto endpoint = Convert{item}(EndpointType{1});
            if (!endpoint) return std::nullopt;
            endpoints.push_back(std::get<Endpoint>(*endpoint));
        }
        return endpoints;
    }
    std::optional<Value> operator()(const NodeIdType&) const {
        const auto text = node.value_exact<std::string>();
        if (!text) return std::nullopt;
        const auto id = parse_node_id(*text);
        if (!id.ok()) return std::nullopt;
        return *id;
    }
};

/// The item of a list that is to blame, rather than "a list of 3".
std::string found_in(const Type& type, const toml::node& node) {
    const auto* array = node.as_array();
    if (array != nullptr && std::holds_alternative<EndpointsType>(type))
        for (const auto& item : *array)
            if (!Convert{item}(EndpointType{1})) return found_words(item) + " in the list";
    return found_words(node);
}

/// Letters put in, left out, replaced, or swapped with their neighbour.
size_t edits_between(std::string_view a, std::string_view b) {
    std::vector<std::vector<size_t>> edits(a.size() + 1, std::vector<size_t>(b.size() + 1));
    for (size_t i = 0; i <= a.size(); ++i) {
        for (size_t j = 0; j <= b.size(); ++j) {
            if (i == 0 || j == 0) {
                edits[i][j] = i + j;
                continue;
            }
            const size_t replaced = edits[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            edits[i][j] = std::min({edits[i - 1][j] + 1, edits[i][j - 1] + 1, replaced});
            const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped) edits[i][j] = std::min(edits[i][j], edits[i - 2][j - 2] + 1);
        }
    }
    return edits[a.size()][b.size()];
}

uint32_t line_of(const toml::key& key) { return key.source().begin.line; }
uint32_t line_of(const toml::node& node) { return node.source().begin.line; }

std::vector<std::string_view> names_in(std::string_view table) {
    std::vector<std::string_view> names;
    for (const Key& key : key_table())
        if (key.table == table) names.push_back(key.name);
    return names;
}

void report_unknown_key(std::string_view table, const toml::key& key, Problems& problems) {
    const auto names = names_in(table);
    std::string hint;
    if (const auto near = nearest(key.str(), names); !near.empty()) {
        hint = fmt::format(" (did you mean {}?)", near);
    } else {
        for (const Key& other : key_table())
            if (other.name == key.str()) {
                hint = fmt::format(" ({} belongs in {})", other.name, bracketed(other.table));
                break;
            }
    }
    problems.add({bracketed(table), shown(key.str()), line_of(key)}, "an unknown key",
                 fmt::format("{}{}", fmt::join(names, ", "), hint));
}

/// One table's keys; `lines` learns where each was written, also where its value was refused: a key that is there but
/// wrong must not be called missing as well.
void read_keys(std::string_view name, const toml::table& table, std::map<std::string, uint32_t>& lines,
               uint32_t table_line, Draft& draft, Problems& problems) {
    for (const auto& [written, node] : table) {
        const auto& keys = key_table();
        const auto key = std::find_if(keys.begin(), keys.end(), [&, &text = written](const Key& candidate) {
            return candidate.table == name && candidate.name == text.str();
        });
        if (key == keys.end()) {
            report_unknown_key(name, written, problems);
            continue;
        }
        lines[std::string(key->name)] = line_of(written);
        const auto value = std::visit(Convert{node}, key->type);
        if (value) {
            key->apply(draft, *value);
            continue;
        }
        const bool hide = key->secret && node.is_string();
        const std::string found =
            hide ? fmt::format("a text of {} characters", node.as_string()->get().size()) : found_in(key->type, node);
        problems.add({bracketed(name), std::string(key->name), line_of(written)}, found, allowed(key->type));
    }
    for (const Key& key : key_table())
        if (key.table == name && key.required && lines.count(std::string(key.name)) == 0)
            problems.add({bracketed(name), std::string(key.name), table_line}, "nothing", allowed(key.type));
}

void read_sources(const toml::node& node, Draft& draft, Problems& problems) {
    const auto* array = node.as_array();
    const bool tables = array != nullptr && std::all_of(array->begin(), array->end(),
                                                        [](const toml::node& item) { return item.is_table(); });
    const Place place{"[[source]]", "", line_of(node)};
    if (!tables) {
        problems.add(place, found_words(node), "one [[source]] (two brackets) a camera");
        return;
    }
    if (array->size() > sources_max) {
        problems.add(place, fmt::format("{} sources", array->size()), fmt::format("at most {}", sources_max));
        return;
    }
    for (const auto& item : *array) {
        draft.config.sources.emplace_back();
        draft.source_lines.push_back({line_of(item), {}});
        read_keys("source", *item.as_table(), draft.source_lines.back().keys, line_of(item), draft, problems);
    }
}

void report_unknown_table(const toml::key& key, const toml::node& node, Problems& problems) {
    if (!node.is_table() && !node.is_array_of_tables()) {
        problems.add({"", shown(key.str()), line_of(key)}, "a key outside of every table",
                     "keys inside a [table] only");
        return;
    }
    std::vector<std::string> names;
    for (const auto table : table_names()) names.push_back(bracketed(table));
    const auto near = nearest(key.str(), table_names());
    const std::string hint = near.empty() ? "" : fmt::format(" (did you mean {}?)", bracketed(near));
    problems.add({fmt::format("[{}]", shown(key.str())), "", line_of(key)}, "an unknown table",
                 fmt::format("{}{}", fmt::join(names, ", "), hint));
}

}  // namespace

void Problems::add(const Place& place, std::string_view found, std::string_view allowed) {
    const std::string gap = place.table.empty() || place.key.empty() ? "" : " ";
    items_.push_back({place.line, fmt::format("{}:{}: {}{}{}: found {}, allowed: {}", file_, std::max(place.line, 1U),
                                              place.table, gap, place.key, found, allowed)});
}

std::string Problems::text() const {
    std::vector<Item> sorted = items_;
    std::stable_sort(sorted.begin(), sorted.end(), [](const Item& a, const Item& b) { return a.line < b.line; });
    std::string all;
    for (const Item& item : sorted) all += (all.empty() ? "" : "\n") + item.text;
    return all;
}

Draft read_tables(const toml::table& root, Problems& problems) {
    Draft draft;
    for (const auto& [key, node] : root) {
        const auto& names = table_names();
        if (std::find(names.begin(), names.end(), key.str()) == names.end()) {
            report_unknown_table(key, node, problems);
        } else if (key.str() == "source") {
            read_sources(node, draft, problems);
        } else if (!node.is_table()) {
            problems.add({bracketed(key.str()), "", line_of(key)}, found_words(node),
                         fmt::format("the table {}", bracketed(key.str())));
            draft.lines[bracketed(key.str())] = line_of(key);
        } else {
            std::map<std::string, uint32_t> lines;
            read_keys(key.str(), *node.as_table(), lines, line_of(node), draft, problems);
            draft.lines[bracketed(key.str())] = line_of(node);
            for (const auto& [name, line] : lines) draft.lines[bracketed(key.str()) + " " + name] = line;
        }
    }
    for (const Key& key : key_table())
        if (key.required && key.table != "source" && draft.lines.count(bracketed(key.table)) == 0)
            problems.add({bracketed(key.table), std::string(key.name), 1}, "nothing", allowed(key.type));
    return draft;
}

std::string_view nearest(std::string_view word, const std::vector<std::string_view>& words) {
    constexpr size_t word_bytes_max = 64;
    if (word.size() > word_bytes_max) return {};
    std::string_view best;
    size_t best_distance = (word.size() + 2) / 3 + 1;  // one slip in three letters
    for (const std::string_view candidate : words) {
        const size_t distance = edits_between(word, candidate);
        if (distance < best_distance) {
            best_distance = distance;
            best = candidate;
        }
    }
    return best;
}

}  // namespace eddy::config
