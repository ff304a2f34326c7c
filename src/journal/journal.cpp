#include "src/journal/journal.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "src/journal/codec.hpp"
#include "src/journal/recovery.hpp"

namespace eddy::journal {

namespace {

Error cannot(const std::string& what, const std::string& path) {
    return unavailable("cannot " + what + " " + path + ": " + std::strerror(errno));
}

/// False: errno says why. A part may have been written.
bool write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        bytes.remove_prefix(static_cast<size_t>(written));
    }
    return true;
}

/// Nothing: there is no such file. At most file_bytes_max and one more.
Result<std::optional<std::string>> contents(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        if (errno == ENOENT) return std::optional<std::string>();
        return cannot("read", path);
    }
    std::string bytes;
    char piece[65536];
    ssize_t count = 0;
    while (bytes.size() <= file_bytes_max) {
        count = ::read(fd, piece, sizeof piece);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) break;
        bytes.append(piece, static_cast<size_t>(count));
    }
    const auto failure = count < 0 ? std::optional(cannot("read", path)) : std::nullopt;
    ::close(fd);
    if (failure) return *failure;
    return std::optional(std::move(bytes));
}

std::string parent_of(const std::string& path) {
    const auto parent = std::filesystem::path(path).parent_path();
    return parent.empty() ? "." : parent.string();
}

}  // namespace

Journal::Journal(Options options, int folder) : options_(std::move(options)), folder_(folder) {}

Journal::~Journal() {
    if (fd_ >= 0) ::close(fd_);
    ::close(folder_);
}

void Journal::tell(LogLevel level, const std::string& text) const {
    if (options_.log) options_.log(level, "journal: " + text);
}

Result<std::unique_ptr<Journal>> Journal::open(Options options) {
    const std::string folder = parent_of(options.path);
    const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return cannot("open", folder);
    std::unique_ptr<Journal> journal(new Journal(std::move(options), fd));
    // Of two writers, one would go on writing into a file that the other has replaced.
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) return cannot("lock (another process has it?)", folder);
    if (auto status = journal->recover(); !status) return status.error();
    if (auto status = journal->compact(); !status) return status.error();
    return journal;
}

Status Journal::recover() {
    auto bytes = contents(options_.path);
    if (!bytes) return bytes.error();
    Recovered found;
    if (*bytes) {
        found = journal::recover(**bytes);
        if (found.unreadable) {
            // Perhaps another version's; nobody wants to find it overwritten.
            const std::string aside = options_.path + ".unreadable";
            if (::rename(options_.path.c_str(), aside.c_str()) != 0) return cannot("move aside", options_.path);
            tell(LogLevel::error, options_.path + " is not used: " + found.problem + "; kept as " + aside);
        } else if (found.cut_bytes > 0) {
            tell(LogLevel::warning, options_.path + ": " + found.problem + "; its last " +
                                        std::to_string(found.cut_bytes) +
                                        " bytes are cut off, and the frames they told of are not accounted for");
        }
        if (found.contradictions > 0)
            tell(LogLevel::error, options_.path + ": " + std::to_string(found.contradictions) +
                                      " entries contradict others and were not booked");
    }
    found_ = found.books.streams();
    std::vector<std::string> forgotten;
    books_ = found.books.next_life(options_.names, options_.life, forgotten);
    books_.reserve_ahead(options_.names.size());
    for (const auto& name : forgotten) tell(LogLevel::warning, "no room to remember source " + name + " any longer");
    return success();
}

Status Journal::compact() {
    const std::string bytes = short_file(books_);
    const std::string fresh = options_.path + ".new";
    const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return cannot("write", fresh);
    // Synced under its old name first, and its new name after: a power cut leaves one whole journal or the other.
    const bool written = write_all(fd, bytes) && ::fsync(fd) == 0;
    if (!written || ::rename(fresh.c_str(), options_.path.c_str()) != 0 || ::fsync(folder_) != 0) {
        const Error error = cannot("write", written ? options_.path : fresh);
        ::close(fd);
        ::unlink(fresh.c_str());
        return error;
    }
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
    bytes_ = compacted_bytes_ = bytes.size();
    grown_ = false;
    return success();
}

/// Half a record may be at the file's end now, so nothing more is written behind it.
void Journal::fail(const Error& error) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
    if (problem_.empty())
        tell(LogLevel::error, error.message +
                                  "; the node goes on without. If it is killed now, its next life does not know of "
                                  "frames from here on");
    problem_ = error.message;
}

void Journal::append(const Entry& entry) {
    if (!books_.apply(entry) && !contradicted_) {
        contradicted_ = true;
        tell(LogLevel::error, "an entry of this life contradicts others; a mistake of the program, told once");
    }
    if (fd_ < 0) return;
    record_.clear();
    encode(entry, record_);
    if (!write_all(fd_, record_)) return fail(cannot("write", options_.path));
    bytes_ += record_.size();
    grown_ = true;
    if (bytes_ <= options_.compact_bytes || bytes_ <= 2 * compacted_bytes_) return;
    if (auto status = compact(); !status) fail(status.error());
}

void Journal::retry() {
    if (problem_.empty()) return;
    if (auto status = compact(); !status) return fail(status.error());
    problem_.clear();
    tell(LogLevel::info, options_.path + " is written again");
}

std::optional<int> Journal::unsynced() {
    if (!std::exchange(grown_, false) || fd_ < 0) return std::nullopt;
    const int copy = ::fcntl(fd_, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) return std::nullopt;
    return copy;
}

void Journal::end() {
    books_.give_back_numbers();
    if (auto status = compact(); !status) fail(status.error());
}

}  // namespace eddy::journal
