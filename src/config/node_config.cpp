#include "src/config/node_config.hpp"

#include <cstdlib>
#include <fstream>
#include <set>
#include <system_error>

#include <fmt/format.h>

#include "src/config/reader.hpp"

namespace eddy::config {
namespace {

namespace fs = std::filesystem;

/// The checks that need more than one key, or the disk. Each runs even if others failed.
class Finisher {
public:
    Finisher(Draft& draft, const fs::path& file, Problems& problems)
        : draft_(draft), config_(draft.config), folder_(fs::absolute(file).parent_path()), problems_(problems) {}

    void run() {
        check_key();
        check_addresses();
        place_folders();
        if (!config_.model_path.empty()) {
            config_.model_path = absolute(config_.model_path);
            check_file("[model]", "path", config_.model_path);
        }
        check_sources();
    }

private:
    [[nodiscard]] std::string absolute(const std::string& path) const {
        return (folder_ / path).lexically_normal().string();
    }
    [[nodiscard]] bool written(const std::string& table, const std::string& key) const {
        return draft_.lines.count(table + " " + key) > 0;
    }
    [[nodiscard]] Place at(const std::string& table, const std::string& key) const {
        auto line = draft_.lines.find(table + " " + key);
        if (line == draft_.lines.end()) line = draft_.lines.find(table);
        return {table, key, line == draft_.lines.end() ? 1 : line->second};
    }

    void check_file(const std::string& table, const std::string& key, const std::string& path) {
        std::error_code error;
        const auto status = fs::status(path, error);
        if (!fs::exists(status))
            problems_.add(at(table, key), fmt::format("\"{}\", which does not exist", path), "a file that exists");
        else if (!fs::is_regular_file(status))
            problems_.add(at(table, key), fmt::format("\"{}\", which is not a file", path), "a file that exists");
    }

    void check_key() {
        if (draft_.key_file.empty()) return;
        if (written("[cluster]", "key")) {
            problems_.add(at("[cluster]", "key_file"), "both key and key_file", "one of the two");
            return;
        }
        const std::string path = absolute(draft_.key_file);
        check_file("[cluster]", "key_file", path);
        std::error_code error;
        if (!fs::is_regular_file(path, error)) return;
        std::ifstream in(path, std::ios::binary);
        std::string text(4096, '\0');
        in.read(text.data(), static_cast<std::streamsize>(text.size()));
        if (in.bad() || !in.is_open()) {
            problems_.add(at("[cluster]", "key_file"), fmt::format("\"{}\", which cannot be read", path),
                          "a file that can be read");
            return;
        }
        text.resize(static_cast<size_t>(in.gcount()));
        text = text.substr(0, text.find_first_of("\r\n"));
        if (text.size() < cluster_key_bytes_min)
            problems_.add(
                at("[cluster]", "key_file"),
                fmt::format("\"{}\", whose first line has {} characters", path, text.size()),
                fmt::format("a file whose first line is a key of at least {} characters", cluster_key_bytes_min));
        config_.cluster_key = text;
    }

    /// A node that others could never reach would fail silently; one that anyone may drive is worse.
    void check_addresses() {
        const bool key_given = written("[cluster]", "key") || !draft_.key_file.empty();
        const bool loopback = is_loopback(config_.listen);
        const bool wildcard = config_.listen.host == "0.0.0.0" || config_.listen.host == "::";
        if (!loopback && !key_given)
            problems_.add(at("[node]", "listen"), fmt::format("\"{}\" without a key", to_string(config_.listen)),
                          "a loopback address such as \"127.0.0.1:7070\", or any with [cluster] key or key_file");
        if (wildcard && !written("[node]", "advertise"))
            problems_.add(at("[node]", "listen"), fmt::format("\"{}\" without advertise", to_string(config_.listen)),
                          "an address that others can dial, or any with [node] advertise");
        if (!loopback || written("[node]", "advertise")) return;
        for (const Endpoint& seed : config_.seeds)
            if (!is_loopback(seed)) {
                problems_.add(at("[cluster]", "seeds"),
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
            problems_.add(at("[node]", "data_dir"), "nothing, and HOME is not set", "a folder");
        }
        const bool chosen = !config_.control_socket.empty();
        config_.control_socket = chosen ? absolute(config_.control_socket) : config_.data_dir + "/control.sock";
        if (config_.control_socket.size() > socket_path_bytes_max)
            problems_.add(
                at("[node]", chosen || !written("[node]", "data_dir") ? "control_socket" : "data_dir"),
                fmt::format("a socket path of {} bytes, {}", config_.control_socket.size(), config_.control_socket),
                fmt::format("at most {} bytes; set control_socket to a shorter one", socket_path_bytes_max));
    }

    static fs::path state_folder() {
        if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/') return state;
        if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/')
            return fs::path(home) / ".local/state";
        return {};
    }

    void check_sources() {
        std::set<std::string> names;
        for (size_t i = 0; i < config_.sources.size(); ++i) {
            SourceConfig& source = config_.sources[i];
            if (!source.name.empty() && !names.insert(source.name).second)
                problems_.add(at_source(i, "name"), fmt::format("\"{}\" a second time", source.name),
                              "a name that no other source of this node has");
            check_input(i, source);
        }
        if (!config_.sources.empty() && !written("[model]", "path"))
            problems_.add(at("[model]", "path"), "nothing", "the model's file, since this node has a [[source]]");
    }

    [[nodiscard]] Place at_source(size_t index, const std::string& key) const {
        const auto& lines = draft_.source_lines[index];
        const auto line = lines.keys.find(key);
        return {"[[source]]", key, line == lines.keys.end() ? lines.table : line->second};
    }

    void check_input(size_t index, SourceConfig& source) {
        if (source.input.empty()) return;  // told already
        const bool live = input_kind(source.input) == InputKind::live;
        if (draft_.source_lines[index].keys.count("when_full") == 0)
            source.when_full = live ? WhenFull::drop_oldest : WhenFull::block;
        if (live) {
            if (source.loop)
                problems_.add(at_source(index, "loop"), fmt::format("true for the live input \"{}\"", source.input),
                              "true for files and folders only");
            return;
        }
        for (const std::string_view prefix : {"file://", "file:"})
            if (source.input.rfind(prefix, 0) == 0) source.input.erase(0, prefix.size());
        source.input = absolute(source.input);
        std::error_code error;
        if (!fs::exists(source.input, error))
            problems_.add(at_source(index, "input"), fmt::format("\"{}\", which does not exist", source.input),
                          "a file or folder that exists, rtsp://…, /dev/video0 or lavfi:…");
    }

    Draft& draft_;
    NodeConfig& config_;
    fs::path folder_;
    Problems& problems_;
};

}  // namespace

Result<NodeConfig> parse_node_config(std::string_view text, const fs::path& file) {
    const std::string name = file.string();
    if (text.size() > file_bytes_max)
        return invalid(fmt::format("{}: found {} bytes, allowed: at most {}", name, text.size(), file_bytes_max));
    try {
        const toml::table root = toml::parse(text, name);
        Problems problems(name);
        Draft draft = read_tables(root, problems);
        Finisher(draft, file, problems).run();
        if (!problems.empty()) return invalid(problems.text());
        return std::move(draft.config);
    } catch (const toml::parse_error& error) {
        return invalid(fmt::format("{}:{}: not TOML: {}", name, error.source().begin.line, error.description()));
    } catch (const std::exception& error) {
        return internal(fmt::format("{}: {}", name, error.what()));
    }
}

Result<NodeConfig> load_node_config(const fs::path& file) {
    std::error_code error;
    const auto status = fs::status(file, error);
    if (!fs::exists(status)) return invalid(fmt::format("{}: no such file", file.string()));
    if (!fs::is_regular_file(status)) return invalid(fmt::format("{}: not a file", file.string()));
    std::ifstream in(file, std::ios::binary);
    if (!in.is_open()) return invalid(fmt::format("{}: cannot be read", file.string()));
    std::string text(file_bytes_max + 1, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (in.bad()) return invalid(fmt::format("{}: cannot be read", file.string()));
    text.resize(static_cast<size_t>(in.gcount()));
    return parse_node_config(text, file);
}

}  // namespace eddy::config
