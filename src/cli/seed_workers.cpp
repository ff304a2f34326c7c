#include "src/cli/seed_workers.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace eddy::cli {

namespace {

/// What a child is told to do, and in what it answers, at once; a child's words on standard error come the same way.
constexpr uint64_t batch_max = 16;
constexpr char begins = '\x01', answers = '\x02';

struct Child {
    pid_t pid = -1;
    int from = -1;  ///< its answers and its standard error
    uint64_t next = 0, end = 0;
    std::string text;                 ///< read, and not yet a whole line
    std::string words;                ///< its last line on standard error
    std::optional<uint64_t> running;  ///< the seed it is at
};

struct Answer {
    bool died = false;
    std::string line;
};

class Workers {
public:
    explicit Workers(const SeedWork& work) : work_(work), next_(work.first), told_(work.first) {}

    Status run() {
        while (!finished_) {
            while (children_.size() < work_.jobs && !all_given_)
                if (const Status begun = begin(); !begun) return begun;
            if (children_.empty()) break;
            wait();
            tell();
        }
        return success();
    }

private:
    Status begin() {
        Child child;
        if (!again_.empty()) {
            child.next = again_.back().first;
            child.end = again_.back().second;
            again_.pop_back();
        } else {
            child.next = next_;
            const uint64_t left = work_.last - next_ + 1;
            child.end = next_ + std::min(left, batch_max) - 1;
            next_ = child.end + 1;
            given_ = child.end == work_.last;
        }
        all_given_ = given_ && again_.empty();
        return fork_off(std::move(child));
    }

    Status fork_off(Child child) {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) return failed("a pipe");
        std::fflush(nullptr);
        child.pid = ::fork();
        if (child.pid < 0) {
            ::close(ends[0]);
            ::close(ends[1]);
            return failed("a process");
        }
        if (child.pid == 0) work_as_child(child, ends[1]);
        ::close(ends[1]);
        child.from = ends[0];
        children_.push_back(std::move(child));
        return success();
    }

    [[noreturn]] void work_as_child(const Child& child, int out) {
        ::dup2(out, STDERR_FILENO);
        std::signal(SIGABRT, SIG_DFL);
        const auto write_line = [](const std::string& line) {
            size_t done = 0;
            while (done < line.size()) {
                const ssize_t count = ::write(STDERR_FILENO, line.data() + done, line.size() - done);
                if (count < 0 && errno != EINTR) ::_exit(1);
                done += count > 0 ? static_cast<size_t>(count) : 0;
            }
        };
        for (uint64_t seed = child.next;; ++seed) {
            ::alarm(static_cast<unsigned>(to_seconds(work_.limit)));
            write_line(begins + std::to_string(seed) + "\n");
            write_line(answers + work_.run(seed) + "\n");
            if (seed == child.end) break;
        }
        ::_exit(0);
    }

    static Status failed(const char* what) {
        return unavailable(std::string("cannot make ") + what + ": " + std::strerror(errno));
    }

    void wait() {
        std::vector<pollfd> waiting;
        for (const Child& child : children_) waiting.push_back({child.from, POLLIN, 0});
        if (::poll(waiting.data(), waiting.size(), -1) < 0) return;
        for (size_t i = waiting.size(); i-- > 0;)
            if (waiting[i].revents != 0 && !listen(children_[i])) {
                bury(children_[i]);
                children_.erase(children_.begin() + static_cast<std::ptrdiff_t>(i));
            }
    }

    /// False: it has nothing more to say.
    bool listen(Child& child) {
        char piece[4096];
        const ssize_t count = ::read(child.from, piece, sizeof piece);
        if (count < 0) return errno == EINTR;
        child.text.append(piece, static_cast<size_t>(count));
        for (size_t end = child.text.find('\n'); end != std::string::npos; end = child.text.find('\n')) {
            hear(child, child.text.substr(0, end));
            child.text.erase(0, end + 1);
        }
        return count > 0;
    }

    void hear(Child& child, const std::string& line) {
        if (!line.empty() && line[0] == begins) {
            child.running = child.next;
            child.words.clear();
        } else if (!line.empty() && line[0] == answers && child.running) {
            answers_[*child.running] = {false, line.substr(1)};
            child.running.reset();
            ++child.next;
        } else {
            child.words = line;
        }
    }

    void bury(Child& child) {
        ::close(child.from);
        int status = 0;
        while (::waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
        }
        if (child.next > child.end) return;
        // It died at this seed; another child takes the rest.
        std::string words = child.words;
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
            words = "took longer than " + std::to_string(static_cast<int>(to_seconds(work_.limit))) + " s";
        else if (words.empty() && WIFSIGNALED(status))
            words = std::string("died: ") + ::strsignal(WTERMSIG(status));
        else if (words.empty())
            words = "ended without an answer";
        answers_[child.next] = {true, words};
        if (child.next < child.end) {
            again_.emplace_back(child.next + 1, child.end);
            all_given_ = false;
        }
    }

    void tell() {
        for (auto it = answers_.begin(); it != answers_.end() && it->first == told_; it = answers_.erase(it), ++told_) {
            (it->second.died ? work_.died : work_.answer)(it->first, it->second.line);
            finished_ = told_ == work_.last;
        }
    }

    const SeedWork& work_;
    uint64_t next_;
    uint64_t told_;
    bool given_ = false;      ///< every seed has been given to a child once
    bool all_given_ = false;  ///< and nothing of a dead one's is left
    bool finished_ = false;
    std::vector<Child> children_;
    std::vector<std::pair<uint64_t, uint64_t>> again_;
    std::map<uint64_t, Answer> answers_;
};

}  // namespace

std::optional<std::pair<uint64_t, uint64_t>> seed_range(const std::string& text) {
    const auto number = [](std::string_view digits) -> std::optional<uint64_t> {
        uint64_t value = 0;
        const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (digits.empty() || read.ec != std::errc{} || read.ptr != digits.data() + digits.size()) return std::nullopt;
        return value;
    };
    const size_t dots = text.find("..");
    const auto first = number(std::string_view(text).substr(0, dots));
    const auto last = dots == std::string::npos ? first : number(std::string_view(text).substr(dots + 2));
    if (!first || !last || *last < *first || *last - *first >= 100'000'000) return std::nullopt;
    return std::pair{*first, *last};
}

Status try_seeds(const SeedWork& work) { return Workers(work).run(); }

}  // namespace eddy::cli
