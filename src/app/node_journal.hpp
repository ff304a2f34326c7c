// A node's journal in `<data_dir>/journal`: what NodeCore must know of earlier lives, and what becomes of this one's
// frames. A journal that cannot be kept stops nobody: the node goes on without, and says so.
// One thread, the loop's; syncing, which may take a disk long, is done on a thread of its own.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "eddy/config.hpp"
#include "eddy/log.hpp"
#include "src/journal/journal.hpp"
#include "src/node/core_config.hpp"

namespace eddy::app {

/// Syncs descriptors one after the other; what is handed over while it is at work replaces what waits.
class Syncer {
public:
    Syncer();
    ~Syncer();  ///< what waits is not synced any more
    Syncer(const Syncer&) = delete;
    Syncer& operator=(const Syncer&) = delete;
    /// Syncs the file and closes the descriptor.
    void sync(int fd);

private:
    void run();

    std::mutex mutex_;
    std::condition_variable changed_;
    int waiting_ = -1;     // protected by mutex_
    bool ending_ = false;  // protected by mutex_
    std::thread thread_;
};

class NodeJournal {
public:
    /// A source that is not configured any more, and died with frames unfinished.
    struct Retired {
        std::string name;
        journal::Totals earlier;  ///< without these frames
        std::vector<journal::Unfinished> unfinished;
    };

    /// Opens it and says in one line what it tells of earlier lives. A node without cameras has none.
    NodeJournal(const NodeConfig& config, Incarnation life, const LogFn& log);

    /// Puts first numbers and unfinished frames into the streams.
    void fill(std::vector<node::StreamConfig>& streams) const;
    [[nodiscard]] const std::vector<Retired>& retired() const { return retired_; }
    /// What earlier lives settled, as known when this one began; nothing without a journal.
    [[nodiscard]] std::optional<journal::Totals> earlier(size_t stream) const;
    /// Why it is not being written; empty: it is, or there is nothing to write.
    [[nodiscard]] std::string problem() const { return journal_ ? journal_->problem() : problem_; }

    void append(const journal::Entry& entry) {
        if (journal_) journal_->append(entry);
    }
    void each_second();
    void end() {
        if (journal_) journal_->end();
    }

private:
    void tell_found(const LogFn& log) const;

    static constexpr uint32_t retry_every = 10;  ///< seconds
    std::unique_ptr<journal::Journal> journal_;
    std::vector<journal::StreamBook> streams_;  ///< the configured ones, as this life began with them
    std::vector<Retired> retired_;
    std::string problem_;
    uint32_t seconds_ = 0;
    std::unique_ptr<Syncer> syncer_;
};

}  // namespace eddy::app
