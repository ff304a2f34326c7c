#include "src/app/identity.hpp"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include <fcntl.h>
#include <unistd.h>

#include "src/transport/crypto.hpp"

namespace eddy::app {

namespace {

Error cannot(const std::string& what, const std::filesystem::path& path) {
    return unavailable("cannot " + what + " " + path.string() + ": " + std::strerror(errno));
}

// "<40 hex digits> <incarnation>\n"
Result<Identity> parse(const std::string& text, const std::filesystem::path& path) {
    const auto wrong = invalid(path.string() + " is not a node's identity; remove it to start as a new node");
    if (text.size() < 42 || text[40] != ' ') return wrong;
    const auto id = parse_node_id(text.substr(0, 40));
    if (!id) return wrong;
    uint64_t incarnation = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + 41, end, incarnation);
    if (error != std::errc{} || stop == end || *stop != '\n') return wrong;
    return Identity{*id, Incarnation{incarnation}};
}

// Written beside and renamed, and synced, so that a power cut leaves the old file or the new one.
Status store(const Identity& identity, const std::filesystem::path& path) {
    const std::string text = to_string(identity.id) + " " + std::to_string(identity.incarnation.value) + "\n";
    const auto fresh = path.string() + ".new";
    const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return cannot("write", fresh);
    const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0;
    const auto failure = written ? success() : Status(cannot("write", fresh));
    ::close(fd);
    if (!written) return failure;
    if (::rename(fresh.c_str(), path.c_str()) != 0) return cannot("replace", path);
    // The new name itself, or the next start after a power cut would have this incarnation once more.
    const int folder = ::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return cannot("open", path.parent_path());
    const bool synced = ::fsync(folder) == 0;
    const auto unsynced = synced ? success() : Status(cannot("sync", path.parent_path()));
    ::close(folder);
    return unsynced;
}

/// Nothing: there is no file yet.
Result<std::optional<Identity>> stored_identity(const std::filesystem::path& path) {
    std::error_code failed;
    if (!std::filesystem::exists(path, failed)) return std::optional<Identity>();
    std::ifstream file(path);
    if (!file) return cannot("read", path);
    const std::string text(std::istreambuf_iterator<char>(file), {});
    auto stored = parse(text, path);
    if (!stored) return stored.error();
    return std::optional(*stored);
}

NodeId id_of(const NodeConfig& config, const std::optional<Identity>& stored) {
    if (config.id) return *config.id;
    if (stored && transport::in_zone(stored->id, config.zone)) return stored->id;
    return transport::node_id_of(config.cluster, config.name, config.zone);
}

std::filesystem::path identity_path(const NodeConfig& config) {
    return std::filesystem::path(config.data_dir) / "identity";
}

}  // namespace

Result<Identity> take_identity(const NodeConfig& config, const LogFn& log) {
    const std::filesystem::path folder(config.data_dir);
    std::error_code failed;
    std::filesystem::create_directories(folder, failed);
    if (failed)
        return unavailable("cannot make the folder " + folder.string() + " ([node] data_dir): " + failed.message());
    const auto path = identity_path(config);
    const auto stored = stored_identity(path);
    if (!stored) return stored.error();

    Identity identity = stored->value_or(Identity{});
    identity.id = id_of(config, *stored);
    ++identity.incarnation.value;
    if (auto status = store(identity, path); !status) return status.error();
    if (log && *stored && identity.id != (*stored)->id)
        log(LogLevel::warning,
            "the id of this node was " + to_string((*stored)->id) + " (" + path.string() + "), and is now " +
                to_string(identity.id) + ": " +
                (config.id ? "[node] id is set" : "it moved to [node] zone \"" + config.zone + "\""));
    return identity;
}

Result<NodeId> expected_id(const NodeConfig& config) {
    const auto stored = stored_identity(identity_path(config));
    if (!stored) return stored.error();
    return id_of(config, *stored);
}

}  // namespace eddy::app
