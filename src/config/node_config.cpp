#include "src/config/node_config.hpp"

#include <cstdlib>
#include <fstream>
#include <set>
#include <system_error>

#include <fmt/format.h>

#include "src/config/file.hpp"
#include "src/config/node_draft.hpp"

namespace eddy::config {
namespace {

namespace fs = std::filesystem;

/// The checks that need more than one key, or the disk. Each runs even if others failed.
class Finisher {
public:
    Finisher(NodeDraft& draft, const Written& written, const fs::path& file, Problems& problems)
        : config_(draft), written_(written), file_(file), problems_(problems) {}

    void run() {
        check_key();
        check_addresses();
        place_folders();
        if (!config_.model_path.empty()) {
            config_.model_path = absolute(config_.model_path);
            check_file(written_.at("model", "path"), config_.model_path, problems_);
        }
        check_replay();
        check_row_profile();
        check_sources();
    }

private:
    [[nodiscard]] std::string absolute(const std::string& path) const { return absolute_from(file_, path); }

    void check_key() {
        if (config_.key_file.empty()) return;
        if (written_.has("cluster", "key")) {
            problems_.add(written_.at("cluster", "key_file"), "both key and key_file", "one of the two");
            return;
        }
        const std::string path = absolute(config_.key_file);
        check_file(written_.at("cluster", "key_file"), path, problems_);
        std::error_code error;
        if (!fs::is_regular_file(path, error)) return;
        std::ifstream in(path, std::ios::binary);
        std::string text(4096, '\0');
        in.read(text.data(), static_cast<std::streamsize>(text.size()));
        if (in.bad() || !in.is_open()) {
            problems_.add(written_.at("cluster", "key_file"), fmt::format("\"{}\", which cannot be read", path),
                          "a file that can be read");
            return;
        }
        text.resize(static_cast<size_t>(in.gcount()));
        text = text.substr(0, text.find_first_of("\r\n"));
        if (text.size() < cluster_key_bytes_min)
            problems_.add(
                written_.at("cluster", "key_file"),
                fmt::format("\"{}\", whose first line has {} characters", path, text.size()),
                fmt::format("a file whose first line is a key of at least {} characters", cluster_key_bytes_min));
        config_.cluster_key = text;
    }

    /// A node that others could never reach would fail silently; one that anyone may drive is worse.
    void check_addresses() {
        const bool key_given = written_.has("cluster", "key") || !config_.key_file.empty();
        const bool loopback = is_loopback(config_.listen);
        const bool wildcard = config_.listen.host == "0.0.0.0" || config_.listen.host == "::";
        if (!loopback && !key_given)
            problems_.add(written_.at("node", "listen"), fmt::format("\"{}\" without a key", to_string(config_.listen)),
                          "a loopback address such as \"127.0.0.1:7070\", or any with [cluster] key or key_file");
        if (wildcard && !written_.has("node", "advertise"))
            problems_.add(written_.at("node", "listen"),
                          fmt::format("\"{}\" without advertise", to_string(config_.listen)),
                          "an address that others can dial, or any with [node] advertise");
        if (!loopback || written_.has("node", "advertise")) return;
        for (const Endpoint& seed : config_.seeds)
            if (!is_loopback(seed)) {
                problems_.add(written_.at("cluster", "seeds"),
                              fmt::format("\"{}\" while [node] listen is on loopback", to_string(seed)),
                              "seeds on loopback, or a [node] listen that they can reach");
                return;
            }
    }

    void place_folders() {
        if (!config_.data_dir.empty()) {
            config_.data_dir = absolute(config_.data_dir);
        } else if (const fs::path state = state_folder(); !state.empty()) {
            config_.data_dir = (state / "eddy" / config_.name).string();
        } else {
            problems_.add(written_.at("node", "data_dir"), "nothing, and HOME is not set", "a folder");
        }
        const bool chosen = !config_.control_socket.empty();
        config_.control_socket = chosen ? absolute(config_.control_socket) : config_.data_dir + "/control.sock";
        if (config_.control_socket.size() > socket_path_bytes_max)
            problems_.add(
                written_.at("node", chosen || !written_.has("node", "data_dir") ? "control_socket" : "data_dir"),
                fmt::format("a socket path of {} bytes, {}", config_.control_socket.size(), config_.control_socket),
                fmt::format("at most {} bytes; set control_socket to a shorter one", socket_path_bytes_max));
    }

    static fs::path state_folder() {
        if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/') return state;
        if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/')
            return fs::path(home) / ".local/state";
        return {};
    }

    void check_replay() {
        if (!written_.has("compute", "replay")) {
            if (written_.has("compute", "replay_speed"))
                problems_.add(written_.at("compute", "replay_speed"), "a speed without replay",
                              "together with replay only");
            return;
        }
        const Place place = written_.at("compute", "replay");
        if (written_.has("model", "path"))
            problems_.add(place, "both [model] path and [compute] replay", "one of the two");
        if (config_.limit < 1)
            problems_.add(written_.at("compute", "limit"), fmt::format("{} together with replay", config_.limit),
                          "1, or nothing: replay_speed makes a replayed node slow");
        if (config_.replay.empty()) return;  // told already
        config_.replay = absolute(config_.replay);
        check_file(place, config_.replay, problems_);
    }

    void check_row_profile() {
        if (!written_.has("compute", "row_profile")) {
            if (config_.partition != PartitionKind::chain && written_.has("compute", "replay"))
                problems_.add(written_.at("scheduler", "partition"),
                              fmt::format("\"{}\" for a node that replays, without [compute] row_profile",
                                          name_of(config_.partition)),
                              "\"chain\", or together with row_profile");
            return;
        }
        if (config_.row_profile.empty()) return;  // told already
        config_.row_profile = absolute(config_.row_profile);
        check_file(written_.at("compute", "row_profile"), config_.row_profile, problems_);
    }

    void check_sources() {
        std::set<std::string> names;
        for (size_t i = 0; i < config_.sources.size(); ++i) {
            SourceConfig& source = config_.sources[i];
            if (!source.name.empty() && !names.insert(source.name).second)
                problems_.add(written_.at("source", "name", i), fmt::format("\"{}\" a second time", source.name),
                              "a name that no other source of this node has");
            check_input(i, source);
        }
        if (!config_.sources.empty() && !written_.has("model", "path") && !written_.has("compute", "replay"))
            problems_.add(written_.at("model", "path"), "nothing",
                          "the model's file, since this node has a [[source]]");
    }

    void check_input(size_t index, SourceConfig& source) {
        if (source.input.empty()) return;  // told already
        const bool live = input_kind(source.input) == InputKind::live;
        if (!written_.has("source", "when_full", index))
            source.when_full = live ? WhenFull::drop_oldest : WhenFull::block;
        if (live) {
            if (source.loop)
                problems_.add(written_.at("source", "loop", index),
                              fmt::format("true for the live input \"{}\"", source.input),
                              "true for files and folders only");
            return;
        }
        for (const std::string_view prefix : {"file://", "file:"})
            if (source.input.rfind(prefix, 0) == 0) source.input.erase(0, prefix.size());
        source.input = absolute(source.input);
        std::error_code error;
        if (!fs::exists(source.input, error))
            problems_.add(written_.at("source", "input", index),
                          fmt::format("\"{}\", which does not exist", source.input),
                          "a file or folder that exists, rtsp://…, /dev/video0 or lavfi:…");
    }

    NodeDraft& config_;
    const Written& written_;
    const fs::path& file_;
    Problems& problems_;
};

}  // namespace

Result<NodeConfig> parse_node_config(std::string_view text, const fs::path& file) {
    NodeDraft draft;
    Problems problems(file.string());
    const auto into = [&draft](std::string_view table) -> std::any {
        if (table == "source") return &draft.sources.emplace_back();
        return &draft;
    };
    const auto read = with_toml(text, file.string(), [&](const toml::table& root) {
        const Written written = read_tables(root, node_form(), into, problems);
        Finisher(draft, written, file, problems).run();
    });
    if (!read) return read.error();
    if (!problems.empty()) return invalid(problems.text());
    return NodeConfig(std::move(draft));
}

Result<NodeConfig> load_node_config(const fs::path& file) {
    const auto text = read_file(file);
    if (!text) return text.error();
    return parse_node_config(*text, file);
}

}  // namespace eddy::config
