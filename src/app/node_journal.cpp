#include "src/app/node_journal.hpp"

#include <algorithm>
#include <filesystem>

#include <unistd.h>

namespace eddy::app {

Syncer::Syncer() : thread_([this] { run(); }) {}

Syncer::~Syncer() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    changed_.notify_one();
    thread_.join();
    if (waiting_ >= 0) ::close(waiting_);
}

void Syncer::sync(int fd) {
    {
        const std::lock_guard lock(mutex_);
        std::swap(fd, waiting_);
    }
    if (fd >= 0) ::close(fd);  // the newer one brings what this one would have
    changed_.notify_one();
}

void Syncer::run() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return ending_ || waiting_ >= 0; });
        if (ending_) return;
        const int fd = std::exchange(waiting_, -1);
        lock.unlock();
        ::fdatasync(fd);  // a disk that fails now fails the next write, which is told
        ::close(fd);
        lock.lock();
    }
}

NodeJournal::NodeJournal(const NodeConfig& config, Incarnation life, const LogFn& log) {
    journal::Options options;
    options.path = (std::filesystem::path(config.data_dir) / "journal").string();
    options.life = life;
    options.log = log;
    for (const auto& source : config.sources) options.names.push_back(source.name);
    std::error_code failed;
    if (config.sources.empty() && !std::filesystem::exists(options.path, failed)) return;
    auto opened = journal::Journal::open(std::move(options));
    if (!opened) {
        problem_ = opened.error().message;
        log(LogLevel::error, "journal: " + problem_ +
                                 "; the node goes on without: frames of earlier lives are not accounted for, and if it "
                                 "is killed, neither are those of this one");
        return;
    }
    journal_ = std::move(*opened);
    const auto& streams = journal_->books().streams();
    streams_.assign(streams.begin(), streams.begin() + static_cast<std::ptrdiff_t>(config.sources.size()));
    for (const auto& stream : journal_->found()) {
        const bool configured =
            std::any_of(streams_.begin(), streams_.end(), [&](const auto& mine) { return mine.name == stream.name; });
        if (configured || stream.open.empty()) continue;
        retired_.push_back({stream.name, stream.settled, {}});
        for (const auto& [k, frame] : stream.open) retired_.back().unfinished.push_back(frame);
    }
    if (!journal_->found().empty()) tell_found(log);
    syncer_ = std::make_unique<Syncer>();
}

void NodeJournal::tell_found(const LogFn& log) const {
    std::string numbers;
    std::string unfinished;
    const auto add = [](std::string& list, const std::string& item) { list += (list.empty() ? "" : ", ") + item; };
    uint64_t settled = 0;
    for (const auto& stream : streams_) {
        settled += stream.settled.captured;
        add(numbers, stream.name + " at " + std::to_string(stream.next));
        if (!stream.open.empty()) add(unfinished, std::to_string(stream.open.size()) + " of " + stream.name);
    }
    for (const auto& gone : retired_)
        add(unfinished,
            std::to_string(gone.unfinished.size()) + " of " + gone.name + ", which is not configured any more");
    log(unfinished.empty() ? LogLevel::info : LogLevel::warning,
        "journal: earlier lives settled " + std::to_string(settled) + " frames; " +
            (numbers.empty() ? "" : "numbers go on (" + numbers + "); ") +
            (unfinished.empty() ? "none was left unfinished" : "unfinished, and failed now: " + unfinished));
}

void NodeJournal::fill(std::vector<node::StreamConfig>& streams) const {
    for (size_t i = 0; i < streams_.size() && i < streams.size(); ++i) {
        streams[i].first_number = streams_[i].next;
        for (const auto& [k, frame] : streams_[i].open) streams[i].unfinished.push_back(frame);
    }
}

std::optional<journal::Totals> NodeJournal::earlier(size_t stream) const {
    if (stream >= streams_.size()) return std::nullopt;
    return streams_[stream].settled;
}

void NodeJournal::each_second() {
    if (!journal_) return;
    if (const auto fd = journal_->unsynced()) syncer_->sync(*fd);
    if (++seconds_ % retry_every == 0) journal_->retry();
}

}  // namespace eddy::app
