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

}  // namespace

/// One pass over a file.
class TableReader {
public:
    TableReader(const Form& form, const IntoTable& into, Problems& problems)
        : form_(form), into_(into), problems_(problems), written_(form) {}

    Written read(const toml::table& root) {
        for (const auto& [key, node] : root) {
            const TableForm* table = form_.table(key.str());
            if (table == nullptr) {
                report_unknown_table(key, node);
                continue;
            }
            if (const auto* array = node.as_array(); array != nullptr && array->empty() && table->count_max > 1)
                continue;  // as if it had not been written
            written_.tables_[std::string(table->name)];
            if (table->count_max > 1)
                read_several(*table, node);
            else
                read_one(*table, key, node);
        }
        for (const Key& key : form_.keys) {
            const TableForm& table = *form_.table(key.table);
            if (key.required && table.count_max == 1 && !written_.has(key.table))
                problems_.add({bracketed(table), std::string(key.name), 1}, "nothing", allowed(key.type));
        }
        return std::move(written_);
    }

private:
    void read_one(const TableForm& table, const toml::key& key, const toml::node& node) {
        if (node.is_table())
            read_keys(table, *node.as_table());
        else
            problems_.add({bracketed(table), "", line_of(key)}, found_words(node),
                          fmt::format("the table {}", bracketed(table)));
    }

    void read_several(const TableForm& table, const toml::node& node) {
        const auto* array = node.as_array();
        const bool tables = array != nullptr && std::all_of(array->begin(), array->end(),
                                                            [](const toml::node& item) { return item.is_table(); });
        const Place place{bracketed(table), "", line_of(node)};
        if (!tables) {
            problems_.add(place, found_words(node),
                          fmt::format("one {} (two brackets) {}", bracketed(table), table.each));
        } else if (array->size() > table.count_max) {
            problems_.add(place, fmt::format("{} such tables", array->size()),
                          fmt::format("at most {}", table.count_max));
        } else {
            for (const auto& item : *array) read_keys(table, *item.as_table());
        }
    }

    void read_keys(const TableForm& table, const toml::table& values) {
        const std::any into = into_(table.name);
        Written::Lines& lines = written_.tables_[std::string(table.name)].emplace_back();
        lines.table = line_of(values);
        for (const auto& [written, node] : values) {
            const Key* key = form_.key(table.name, written.str());
            if (key == nullptr) {
                report_unknown_key(table, written);
                continue;
            }
            lines.keys[std::string(key->name)] = line_of(written);
            if (const auto value = std::visit(Convert{node}, key->type)) {
                key->apply(into, *value);
                continue;
            }
            const bool hide = key->secret && node.is_string();
            problems_.add({bracketed(table), std::string(key->name), line_of(written)},
                          hide ? fmt::format("a text of {} characters", node.as_string()->get().size())
                               : found_in(key->type, node),
                          allowed(key->type));
        }
        for (const Key& key : form_.keys)
            if (key.table == table.name && key.required && lines.keys.count(key.name) == 0)
                problems_.add({bracketed(table), std::string(key.name), lines.table}, "nothing", allowed(key.type));
    }

    void report_unknown_key(const TableForm& table, const toml::key& key) {
        std::vector<std::string_view> names;
        for (const Key& other : form_.keys)
            if (other.table == table.name) names.push_back(other.name);
        std::string hint;
        if (const auto near = nearest(key.str(), names); !near.empty()) {
            hint = fmt::format(" (did you mean {}?)", near);
        } else {
            for (const Key& other : form_.keys)
                if (other.name == key.str()) {
                    hint = fmt::format(" ({} belongs in {})", other.name, bracketed(*form_.table(other.table)));
                    break;
                }
        }
        problems_.add({bracketed(table), shown(key.str()), line_of(key)}, "an unknown key",
                      fmt::format("{}{}", fmt::join(names, ", "), hint));
    }

    void report_unknown_table(const toml::key& key, const toml::node& node) {
        if (!node.is_table() && !node.is_array_of_tables()) {
            problems_.add({"", shown(key.str()), line_of(key)}, "a key outside of every table",
                          "keys inside a [table] only");
            return;
        }
        std::vector<std::string> written;
        std::vector<std::string_view> names;
        for (const TableForm& table : form_.tables) {
            written.push_back(bracketed(table));
            names.push_back(table.name);
        }
        const auto near = nearest(key.str(), names);
        const std::string hint = near.empty() ? "" : fmt::format(" (did you mean {}?)", bracketed(*form_.table(near)));
        problems_.add({fmt::format("[{}]", shown(key.str())), "", line_of(key)}, "an unknown table",
                      fmt::format("{}{}", fmt::join(written, ", "), hint));
    }

    const Form& form_;
    const IntoTable& into_;
    Problems& problems_;
    Written written_;
};

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

bool Written::has(std::string_view table, std::string_view key, size_t index) const {
    const auto found = tables_.find(table);
    return found != tables_.end() && index < found->second.size() && found->second[index].keys.count(key) > 0;
}

Place Written::at(std::string_view table, std::string_view key, size_t index) const {
    Place place{bracketed(*form_->table(table)), std::string(key), 1};
    const auto found = tables_.find(table);
    if (found == tables_.end() || index >= found->second.size()) return place;
    const Lines& lines = found->second[index];
    const auto line = lines.keys.find(key);
    place.line = line == lines.keys.end() ? lines.table : line->second;
    return place;
}

Written read_tables(const toml::table& root, const Form& form, const IntoTable& into, Problems& problems) {
    return TableReader(form, into, problems).read(root);
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
