#include "sim/scenario_parser.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

namespace eddy::sim {

namespace {

constexpr size_t line_bytes_max = 2048;
constexpr size_t seeds_max = 16;
constexpr size_t name_bytes = 32;
constexpr size_t story_bytes_max = 200;

struct VerbWords {
    std::string_view one, many;
    NodeVerb verb;
};
constexpr std::array verbs{
    VerbWords{"starts", "start", NodeVerb::start},       VerbWords{"leaves", "leave", NodeVerb::leave},
    VerbWords{"crashes", "crash", NodeVerb::crash},      VerbWords{"vanishes", "vanish", NodeVerb::vanish},
    VerbWords{"restarts", "restart", NodeVerb::restart}, VerbWords{"pauses", "pause", NodeVerb::pause},
    VerbWords{"slows", "slow", NodeVerb::slow}};

bool is_name(std::string_view text) {
    const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    const auto inner = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-'; };
    return !text.empty() && text.size() <= name_bytes && letter(text.front()) &&
           std::all_of(text.begin(), text.end(), inner);
}

/// What a mistake shows of the text: short, and printable whatever was in the file.
std::string shown(std::string_view text) {
    std::string safe;
    for (const char c : text.substr(0, 40)) safe += c >= ' ' && c <= '~' ? c : '?';
    return safe + (text.size() > 40 ? "…" : "");
}

/// The words of one line, read from left to right. A comma is a word of its own.
class Words {
public:
    explicit Words(std::string_view line) : line_(line) { skip_blanks(); }

    [[nodiscard]] std::string_view peek() const {
        size_t end = at_;
        while (end < line_.size() && !blank(line_[end]) && line_[end] != ',') ++end;
        if (end == at_ && end < line_.size()) ++end;
        return line_.substr(at_, end - at_);
    }
    std::string_view take() {
        const auto word = peek();
        at_ += word.size();
        skip_blanks();
        return word;
    }
    /// Takes the words if they are next, all of them or none.
    bool take(std::initializer_list<std::string_view> words) {
        const size_t before = at_;
        for (const auto word : words)
            if (take() != word) {
                at_ = before;
                return false;
            }
        return true;
    }
    [[nodiscard]] bool done() const { return at_ == line_.size(); }
    [[nodiscard]] std::string_view rest() const { return line_.substr(at_); }
    std::string_view take_rest() { return line_.substr(std::exchange(at_, line_.size())); }

private:
    static bool blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }
    void skip_blanks() {
        while (at_ < line_.size() && blank(line_[at_])) ++at_;
    }
    std::string_view line_;
    size_t at_ = 0;
};

/// Reads line after line into one scenario; stops at the first mistake.
class Parser {
public:
    explicit Parser(std::string_view file) : file_(shown(file)) {}

    Result<Scenario> parse(std::string_view text) {
        if (text.size() > scenario_bytes_max) return mistake("a longer file", "at most 256 kB");
        while (!text.empty() && !error_) {
            ++line_;
            const size_t end = std::min(text.find('\n'), text.size());
            line(text.substr(0, end));
            text.remove_prefix(std::min(end + 1, text.size()));
        }
        if (!error_ && scenario_.nodes.empty()) mistake("the end", "a line `nodes a b c`");
        if (!error_ && scenario_.steps.empty()) mistake("the end", "a step such as `at 0 s node a starts`");
        if (error_) return *error_;
        if (scenario_.seeds.empty()) scenario_.seeds.push_back(0);
        place_nodes();
        return scenario_;
    }

private:
    Error mistake(std::string_view found, std::string_view allowed) {
        if (!error_)
            error_ = invalid(file_ + ":" + std::to_string(line_) + ": found \"" + shown(found) +
                             "\"; allowed: " + std::string(allowed));
        return *error_;
    }

    void line(std::string_view text) {
        if (text.size() > line_bytes_max) {
            mistake("a longer line", "at most 2048 bytes");
            return;
        }
        Words words(text.substr(0, text.find('#')));
        if (words.done()) return;
        if (words.peek() == "at" || words.peek() == "within")
            step(words);
        else if (!scenario_.steps.empty())
            mistake(words.peek(), "`at 5 s …` or `within 2 s …`: the head is over");
        else
            head(words);
        if (!error_ && !words.done()) mistake(words.rest(), "the end of the line");
    }

    // -- the head -----------------------------------------------------------------------------------------------------
    void head(Words& words) {
        if (words.take({"story"})) {
            scenario_.story = story_text(words.take_rest());
        } else if (words.take({"seed"})) {
            scenario_.seed = whole(words, std::numeric_limits<uint64_t>::max());
        } else if (words.take({"lists", "hold"})) {
            scenario_.list_max = length(words);
        } else if (words.take({"views", "hold"})) {
            scenario_.view_max = length(words);
        } else if (words.take({"nodes", "connect", "to", "neighbours", "only"})) {
            scenario_.connect_view = false;
        } else if (words.take({"failures", "stay", "within", "the", "assumptions"})) {
            scenario_.within_assumptions = true;
        } else if (words.take({"nodes"})) {
            while (!error_ && !words.done()) introduce(name_word(words), std::nullopt);
        } else if (words.take({"node"})) {
            const auto name = name_word(words);
            if (!words.take({"has", "id"})) return void(mistake(words.peek(), "`has id` and 40 hexadecimal digits"));
            const auto id = parse_node_id(words.peek());
            if (!id) return void(mistake(words.peek(), "40 hexadecimal digits"));
            words.take();
            introduce(name, *id);
        } else if (words.take({"seeds"})) {
            scenario_.seeds = nodes(words);
            if (scenario_.seeds.size() > seeds_max) mistake("more seeds", "at most 16");
        } else if (words.take({"the", "network"})) {
            scenario_.network = weather(words);
        } else {
            mistake(words.peek(), "story, seed, lists, views, nodes, node, seeds, failures, the network, at, within");
        }
    }

    std::string story_text(std::string_view text) {
        if (text.size() > story_bytes_max) mistake(text, "a title of at most 200 bytes");
        std::string title;
        for (const char c : text) title += static_cast<unsigned char>(c) >= ' ' ? c : ' ';
        while (!title.empty() && title.back() == ' ') title.pop_back();
        return title;
    }

    void introduce(std::string_view name, std::optional<NodeId> id) {
        if (error_) return;
        if (find(name)) return void(mistake(name, "a name that no other node has"));
        if (scenario_.nodes.size() == scenario_nodes_max) return void(mistake(name, "at most 64 nodes"));
        for (const auto& node : scenario_.nodes)
            if (id && node.id == *id) return void(mistake(to_string(*id), "an id that no other node has"));
        if (!id != unplaced_ && !scenario_.nodes.empty())
            return void(mistake(name, "nodes that all have ids, or none"));
        unplaced_ = !id;
        scenario_.nodes.push_back({std::string(name), id.value_or(NodeId{})});
    }

    void place_nodes() {
        if (!unplaced_) return;
        const size_t n = scenario_.nodes.size();
        for (size_t i = 0; i < n; ++i) {
            // Sixteen bits are room enough: there are at most scenario_nodes_max nodes.
            const auto place = static_cast<uint16_t>((i + 1) * 65536 / (n + 1));
            scenario_.nodes[i].id.bytes[0] = static_cast<uint8_t>(place >> 8);
            scenario_.nodes[i].id.bytes[1] = static_cast<uint8_t>(place & 255);
        }
    }

    // -- words --------------------------------------------------------------------------------------------------------
    std::optional<size_t> find(std::string_view name) const {
        for (size_t i = 0; i < scenario_.nodes.size(); ++i)
            if (scenario_.nodes[i].name == name) return i;
        return std::nullopt;
    }

    std::string_view name_word(Words& words) {
        if (!is_name(words.peek())) mistake(words.peek(), "a name: letters, digits, '-' and '_', first a letter");
        return words.take();
    }

    size_t node(Words& words) {
        const auto found = find(words.peek());
        if (!found) mistake(words.peek(), "the name of a node of the head");
        words.take();
        return found.value_or(0);
    }

    /// Names as long as they are names of nodes; at least one, none twice.
    std::vector<size_t> nodes(Words& words) {
        std::vector<size_t> list{node(words)};
        while (!error_ && find(words.peek())) {
            if (std::find(list.begin(), list.end(), *find(words.peek())) != list.end())
                mistake(words.peek(), "each node once");
            list.push_back(node(words));
        }
        return list;
    }

    uint64_t whole(Words& words, uint64_t limit) {
        const auto word = words.take();
        uint64_t value = 0;
        const auto read = std::from_chars(word.data(), word.data() + word.size(), value);
        if (word.empty() || read.ec != std::errc{} || read.ptr != word.data() + word.size() || value > limit)
            mistake(word, "a whole number up to " + std::to_string(limit));
        return value;
    }

    /// Of a list: 1 to scenario_list_max.
    uint64_t length(Words& words) {
        if (words.peek() == "0") mistake("0", "1 to 64");
        return whole(words, scenario_list_max);
    }

    /// A number in [0, limit] with at most six decimals, in millionths.
    uint64_t millionths(Words& words, uint64_t limit) {
        const auto word = words.take();
        double value = 0;
        const auto read = std::from_chars(word.data(), word.data() + word.size(), value, std::chars_format::fixed);
        if (word.empty() || read.ec != std::errc{} || read.ptr != word.data() + word.size() ||
            !(value >= 0 && value <= static_cast<double>(limit))) {
            mistake(word, "a number up to " + std::to_string(limit));
            return 0;
        }
        return static_cast<uint64_t>(std::llround(value * 1e6));
    }

    Usec time(Words& words) {
        const uint64_t value = millionths(words, 3'600'000);
        if (words.take({"ms"})) return Usec(static_cast<int64_t>(value / 1000));
        if (!words.take({"s"})) mistake(words.peek(), "s or ms");
        if (Usec(static_cast<int64_t>(value)) > scenario_time_max) mistake("a longer time", "at most an hour");
        return Usec(static_cast<int64_t>(value));
    }

    double probability(Words& words) {
        const uint64_t value = millionths(words, 100);
        if (!words.take({"%"})) mistake(words.peek(), "%");
        return static_cast<double>(value / 10'000) / 1e4;
    }

    NetworkFaults weather(Words& words) {
        NetworkFaults network;
        if (words.take({"is", "calm"})) return network;
        do {
            if (words.take({"loses"}))
                network.loss = probability(words);
            else if (words.take({"doubles"}))
                network.duplicate = probability(words);
            else if (words.take({"reorders"}))
                network.reorder = probability(words);
            else if (words.take({"holds"}))
                network.reorder_by = time(words);
            else if (words.take({"delays"}))
                network.delay_mean = time(words);
            else if (words.take({"spreads"}))
                network.delay_spread = time(words);
            else if (words.take({"carries", "datagrams"}))
                network.datagrams = true;
            else
                mistake(
                    words.peek(),
                    "heals, splits into, is calm, loses, doubles, reorders, holds, delays, spreads, carries datagrams");
        } while (!error_ && words.take({","}));
        return network;
    }

    // -- the steps ----------------------------------------------------------------------------------------------------
    void step(Words& words) {
        ScenarioStep step;
        step.line = line_;
        step.at = reached_;
        if (words.take({"at"})) step.at = time(words);
        if (step.at < reached_) return void(mistake("an earlier time", "not before the line above is through"));
        const bool within = words.take({"within"});
        if (within) step.within = time(words);
        if (error_) return;
        statement(words, step);
        if (error_) return;
        if (within && !step.expects()) mistake("within", "only before what is expected");
        if (scenario_.steps.size() == scenario_steps_max) mistake("another step", "at most 2000 steps");
        reached_ = step.at + step.within;
        if (reached_ > scenario_time_max) mistake("a later end", "at most an hour");
        scenario_.steps.push_back(std::move(step));
    }

    void statement(Words& words, ScenarioStep& step) {
        if (words.take({"the", "network", "heals"}))
            step.what = HealStep{};
        else if (words.take({"the", "network", "splits", "into"}))
            step.what = split(words);
        else if (words.take({"the", "network"}))
            step.what = WeatherStep{weather(words)};
        else if (words.take({"everyone", "finds", "every", "owner"}))
            step.what = OwnersStep{};
        else if (words.take({"everyone", "has", "let", "go", "of", "who", "is", "gone"}))
            step.what = LetGoStep{};
        else if (words.take({"everyone", "sees", "one", "ring"}))
            step.what = RingStep{{}, ring_of(words)};
        else if (words.peek() == "node" || words.peek() == "nodes")
            about_nodes(words, step);
        else
            mistake(words.peek(),
                    "node, nodes, the network, everyone sees one ring, everyone finds every owner, everyone has let go "
                    "of who is gone");
    }

    std::vector<size_t> ring_of(Words& words) { return words.take({"of"}) ? nodes(words) : std::vector<size_t>{}; }

    SplitStep split(Words& words) {
        SplitStep step;
        std::vector<size_t> all;
        do {
            step.groups.push_back(nodes(words));
            for (const size_t node : step.groups.back()) {
                if (std::find(all.begin(), all.end(), node) != all.end())
                    mistake(scenario_.nodes[node].name, "each node in one group");
                all.push_back(node);
            }
        } while (!error_ && words.take({"|"}));
        return step;
    }

    void about_nodes(Words& words, ScenarioStep& step) {
        const bool one = words.take() == "node";
        const auto subject = nodes(words);
        if (error_) return;
        if (one && subject.size() > 1) return void(mistake("several nodes", "`nodes` before several names"));
        if (words.take({"does", "not", "reach"}) && one) {
            step.what = CutStep{subject.front(), node(words)};
        } else if (words.take({one ? "sees" : "see", "one", "ring"})) {
            step.what = RingStep{subject, ring_of(words)};
        } else {
            const auto verb = std::find_if(verbs.begin(), verbs.end(),
                                           [&](const auto& v) { return words.peek() == (one ? v.one : v.many); });
            if (verb == verbs.end())
                return void(mistake(words.peek(),
                                    one ? "starts, leaves, crashes, vanishes, restarts, pauses for, slows for, "
                                          "sees one ring, does not reach"
                                        : "start, leave, crash, vanish, restart, pause for, slow for, see one ring"));
            words.take();
            NodeStep action{verb->verb, subject, Usec{0}};
            if (lasts(verb->verb)) {
                if (!words.take({"for"})) mistake(words.peek(), "for 2 s");
                action.lasts = time(words);
            }
            step.what = action;
        }
    }

    std::string file_;
    size_t line_ = 0;
    Scenario scenario_;
    bool unplaced_ = false;
    Usec reached_{0};
    std::optional<Error> error_;
};

}  // namespace

Result<Scenario> parse_scenario(std::string_view text, std::string_view file) { return Parser(file).parse(text); }

}  // namespace eddy::sim
