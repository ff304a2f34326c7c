#include "src/config/keys.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "src/config/node_config.hpp"

namespace eddy::config {
namespace {

constexpr double day_s = 86400;

/// Setters by member: the destination's type picks the conversion.
template <class Struct, class Member>
void store(Member Struct::*member, Struct& into, const Value& value) {
    if constexpr (std::is_enum_v<Member>)
        into.*member = static_cast<Member>(std::get<size_t>(value));
    else if constexpr (std::is_same_v<Member, bool>)
        into.*member = std::get<bool>(value);
    else if constexpr (std::is_integral_v<Member>)
        into.*member = static_cast<Member>(std::get<int64_t>(value));
    else if constexpr (std::is_same_v<Member, std::optional<uint64_t>>)
        into.*member = static_cast<uint64_t>(std::get<int64_t>(value));
    else if constexpr (std::is_same_v<Member, std::optional<double>>)
        into.*member = std::get<double>(value);
    else if constexpr (std::is_same_v<Member, std::optional<Endpoint>>)
        into.*member = std::get<Endpoint>(value);
    else if constexpr (std::is_same_v<Member, std::optional<NodeId>>)
        into.*member = std::get<NodeId>(value);
    else
        into.*member = std::get<Member>(value);
}

template <class Member>
auto to(Member NodeConfig::*member) {
    return [member](Draft& draft, const Value& value) { store(member, draft.config, value); };
}
template <class Member>
auto to_source(Member SourceConfig::*member) {
    return [member](Draft& draft, const Value& value) { store(member, draft.config.sources.back(), value); };
}

std::vector<Key> node_keys() {
    return {
        {"node", "name", NameType{}, "", "What people call this node; unique in its cluster.", true, false,
         to(&NodeConfig::name)},
        {"node", "id", NodeIdType{}, "",
         "Place on the ring. Left out: derived from the names of cluster and node (and `zone`), which suits nearly "
         "everyone.",
         false, false, to(&NodeConfig::id)},
        {"node", "zone", ZoneType{}, "",
         "Where the device is: \"building/floor/room\", or less. Devices of one zone are neighbours on the ring, so "
         "that frames travel short ways. Left out: anywhere. A device that moved gets a new id; one with `id` keeps "
         "it.",
         false, false, to(&NodeConfig::zone)},
        {"node", "listen", EndpointType{0}, "\"127.0.0.1:7070\"",
         "Where other nodes reach this one. Anything but loopback needs a cluster key. Port 0: chosen by the system.",
         false, false, to(&NodeConfig::listen)},
        {"node", "advertise", EndpointType{1}, "",
         "The address others are told to dial, where it differs from `listen`; needed if that is 0.0.0.0 or [::].",
         false, false, to(&NodeConfig::advertise)},
        {"node", "data_dir", TextType{}, "",
         "Folder for identity and profiles; made if missing. Left out: ~/.local/state/eddy/<name>.", false, false,
         to(&NodeConfig::data_dir)},
        {"node", "control_socket", TextType{}, "",
         "Unix socket that `eddy status` asks. Left out: control.sock in data_dir.", false, false,
         to(&NodeConfig::control_socket)},
        {"node", "start_members", IntegerType{1, members_max}, "1",
         "The cameras start once the ring has so many members, this node included.", false, false,
         to(&NodeConfig::start_members)},
        {"cluster", "name", NameType{}, "\"eddy\"", "Nodes of other clusters are refused.", false, false,
         to(&NodeConfig::cluster)},
        {"cluster", "key", TextType{cluster_key_bytes_min, 4096, "a text of at least 16 characters"}, "",
         "The secret all nodes of a cluster share; both sides of every connection prove that they know it.", false,
         true, to(&NodeConfig::cluster_key)},
        {"cluster", "key_file", TextType{}, "",
         "File whose first line is the key; better than `key`, since configurations get passed around.", false, false,
         [](Draft& draft, const Value& value) { draft.key_file = std::get<std::string>(value); }},
        {"cluster", "seeds", EndpointsType{members_max}, "[]",
         "Nodes to join through; one that can be reached is enough. They are tried for ever, with growing pauses.",
         false, false, to(&NodeConfig::seeds)},
        {"model", "path", TextType{}, "",
         "TorchScript file with its card, the same on all nodes. Left out: this node only relays.", false, false,
         to(&NodeConfig::model_path)},
    };
}

std::vector<Key> work_keys() {
    return {
        {"compute", "lanes", IntegerType{1, 64}, "1", "Frames computed at the same time.", false, false,
         to(&NodeConfig::lanes)},
        {"compute", "threads_per_lane", IntegerType{1, 64}, "1", "Threads that share the work of one frame.", false,
         false, to(&NodeConfig::threads_per_lane)},
        {"compute", "limit", NumberType{0, false, 1}, "1.0",
         "Share of a core each lane may use; it pauses after every run to keep to it.", false, false,
         to(&NodeConfig::limit)},
        {"compute", "memory_mb", IntegerType{16, int64_t{1} << 20}, "1024",
         "Bound of weights, compiled layers and buffers together, in MiB.", false, false, to(&NodeConfig::memory_mb)},
        {"scheduler", "policy", ChoiceType{{"local", "ms-mdi"}}, "\"ms-mdi\"",
         "ms-mdi shares the work round the ring, by queue lengths; local keeps every frame at its own node.", false,
         false, to(&NodeConfig::policy)},
        {"scheduler", "shares", ChoiceType{{"parameters"}}, "\"parameters\"",
         "How a node's share of a model is measured: by γ, seconds per parameter.", false, false,
         to(&NodeConfig::shares)},
        {"scheduler", "queue_frames", IntegerType{1, 4096}, "16", "Bound of each queue, per source.", false, false,
         to(&NodeConfig::queue_frames)},
        {"scheduler", "attempts_max", IntegerType{1, 100}, "3",
         "How often a frame is tried, the first time included, before it counts as failed.", false, false,
         to(&NodeConfig::attempts_max)},
        {"scheduler", "stop_timeout_s", NumberType{0, true, 3600}, "5.0",
         "After SIGINT or SIGTERM, frames already admitted may finish for this long.", false, false,
         to(&NodeConfig::stop_timeout_s)},
        {"scheduler", "frame_timeout_s", NumberType{0, false, day_s}, "30.0",
         "A frame without a result after this long has failed.", false, false, to(&NodeConfig::frame_timeout_s)},
    };
}

std::vector<Key> source_keys() {
    return {
        {"source", "name", NameType{}, "", "What reports call this camera; unique at its node.", true, false,
         to_source(&SourceConfig::name)},
        {"source", "input", TextType{}, "",
         "Video file, folder of pictures, rtsp://…, /dev/video0, or lavfi:testsrc2=size=640x480:rate=10.", true, false,
         to_source(&SourceConfig::input)},
        {"source", "rate_per_s", NumberType{0, false, 1000}, "",
         "Frames a second to take. Left out: the stream's own pace.", false, false,
         to_source(&SourceConfig::rate_per_s)},
        {"source", "arrivals", ChoiceType{{"paced", "poisson"}}, "\"paced\"",
         "Evenly spaced, or at random instants with the same mean rate.", false, false,
         to_source(&SourceConfig::arrivals)},
        {"source", "frames", IntegerType{1, int64_t{1} << 53}, "",
         "Stop after this many. Left out: until the input ends.", false, false, to_source(&SourceConfig::frames)},
        {"source", "loop", FlagType{}, "false", "Begin again when a file or folder ends.", false, false,
         to_source(&SourceConfig::loop)},
        {"source", "when_full", ChoiceType{{"block", "drop-oldest", "drop-newest"}}, "",
         "What a full reservoir does. Left out: block for files and folders, drop-oldest for live inputs.", false,
         false, to_source(&SourceConfig::when_full)},
        {"source", "deadline_ms", NumberType{0, false, day_s * 1000}, "",
         "A frame older than this is dropped, wherever it is. Left out: none.", false, false,
         to_source(&SourceConfig::deadline_ms)},
        {"source", "reservoir_frames", IntegerType{1, 4096}, "8", "Captured frames that may wait to be admitted.",
         false, false, to_source(&SourceConfig::reservoir_frames)},
    };
}

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

}  // namespace

const std::vector<Key>& key_table() {
    static const std::vector<Key> table = [] {
        std::vector<Key> all = node_keys();
        for (auto& key : work_keys()) all.push_back(std::move(key));
        for (auto& key : source_keys()) all.push_back(std::move(key));
        return all;
    }();
    return table;
}

const std::vector<std::string_view>& table_names() {
    static const std::vector<std::string_view> names = {"node", "cluster", "model", "compute", "scheduler", "source"};
    return names;
}

std::string bracketed(std::string_view table) { return table == "source" ? "[[source]]" : fmt::format("[{}]", table); }

std::string allowed(const Type& type) { return std::visit(Words{}, type); }

std::vector<KeyHelp> keys() {
    std::vector<KeyHelp> all;
    for (const Key& key : key_table())
        all.push_back({std::string(key.table), std::string(key.name), allowed(key.type), std::string(key.default_value),
                       key.required, std::string(key.help)});
    return all;
}

std::string reference() {
    std::string text =
        "# All keys of an eddy-node's configuration file, with their defaults. Relative paths start at the file's own\n"
        "# folder.\n";
    for (const std::string_view table : table_names()) {
        text += fmt::format("\n{}{}\n", bracketed(table), table == "source" ? "  # one such table a camera" : "");
        for (const Key& key : key_table()) {
            if (key.table != table) continue;
            text += fmt::format("# {}: {}\n#   {}{}\n", key.name, key.help, key.required ? "required; " : "",
                                allowed(key.type));
            if (!key.default_value.empty()) text += fmt::format("{} = {}\n", key.name, key.default_value);
        }
    }
    return text;
}

}  // namespace eddy::config
