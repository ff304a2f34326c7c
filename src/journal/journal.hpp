// The journal as a file: what earlier lives left in it, and this life's entries.
//
// Each entry is one write(2), so what was written survives the process (kill -9). A power cut is another matter: the
// disk has what was synced, at most about a second ago if the owner syncs each second (unsynced()). The file is
// replaced by a short one that says the same when a life begins, when it has grown beyond a bound and when a life ends.
//
// Errors after open() never reach the caller: the journal says once that it cannot be written, keeps the books in
// memory, and tries again when asked (retry()). One thread, but for the descriptor of unsynced().
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "eddy/log.hpp"
#include "eddy/result.hpp"
#include "src/journal/books.hpp"

namespace eddy::journal {

/// Of a file; what lies beyond is cut off like a damaged end.
inline constexpr uint64_t file_bytes_max = uint64_t{64} << 20;

struct Options {
    std::string path;                ///< in a folder that exists and belongs to this node alone
    std::vector<std::string> names;  ///< of the configured streams; their indices are the entries' StreamIds
    Incarnation life;
    uint64_t compact_bytes = uint64_t{4} << 20;  ///< replaced when it is longer, and twice as long as it need be
    LogFn log;
};

class Journal {
public:
    /// Reads what is there, says in the log what it found, and begins this life's file. Error `unavailable`: the system
    /// does not let it, or another process has the folder's journal; the file is then as it was.
    static Result<std::unique_ptr<Journal>> open(Options options);
    ~Journal();
    Journal(const Journal&) = delete;
    Journal& operator=(const Journal&) = delete;

    /// As the last life left them, in its own order.
    [[nodiscard]] const std::vector<StreamBook>& found() const { return found_; }
    /// What this life began with: the configured streams first. It numbers their frames from `next` on.
    [[nodiscard]] const Books& books() const { return books_; }

    void append(const Entry& entry);
    /// Why entries are not being written; empty: they are.
    [[nodiscard]] const std::string& problem() const { return problem_; }
    /// After a problem: whether the whole state can be written now.
    void retry();
    /// A descriptor of the file, if it has grown since the last call: to be fdatasync()ed on any thread, and closed.
    [[nodiscard]] std::optional<int> unsynced();
    /// The life ends in order: numbers that were reserved and not used are given back.
    void end();
    [[nodiscard]] uint64_t bytes() const { return bytes_; }

private:
    Journal(Options options, int folder);
    Status recover();
    Status compact();
    void fail(const Error& error);
    void tell(LogLevel level, const std::string& text) const;

    Options options_;
    int folder_ = -1;  ///< locked as long as this lives
    int fd_ = -1;
    Books books_;
    std::vector<StreamBook> found_;
    std::string record_;  ///< reused
    std::string problem_;
    uint64_t bytes_ = 0;
    uint64_t compacted_bytes_ = 0;
    bool grown_ = false;
    bool contradicted_ = false;
};

}  // namespace eddy::journal
