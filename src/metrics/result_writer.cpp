#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "src/metrics/results.hpp"

namespace eddy::metrics {
namespace {

constexpr size_t buffer_bytes_max = size_t{32} << 10;

/// Writes as much as the system takes; the rest of `text` and errno tell of a failure.
std::string_view write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) break;
        text.remove_prefix(static_cast<size_t>(written));
    }
    return text;
}

/// Cuts the half line at the end of what was `written` off the file; false where that cannot be done (a pipe).
bool take_back(int fd, std::string_view written) {
    const size_t newline = written.rfind('\n');
    const size_t half = newline == std::string_view::npos ? written.size() : written.size() - newline - 1;
    if (half == 0) return true;
    const off_t end = ::lseek(fd, 0, SEEK_CUR);
    const off_t keep = end - static_cast<off_t>(half);
    return end >= 0 && keep >= 0 && ::ftruncate(fd, keep) == 0 && ::lseek(fd, keep, SEEK_SET) == keep;
}

}  // namespace

Result<ResultWriter> ResultWriter::open(const std::string& path, LogFn log) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return unavailable(fmt::format("{}: cannot be written: {}", path, std::strerror(errno)));
    return ResultWriter(fd, path, std::move(log));
}

ResultWriter::ResultWriter(int fd, std::string path, LogFn log)
    : fd_(fd), path_(std::move(path)), log_(std::move(log)) {}

ResultWriter::ResultWriter(ResultWriter&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      log_(std::move(other.log_)),
      buffer_(std::exchange(other.buffer_, {})),
      mid_line_(other.mid_line_),
      complained_(other.complained_),
      lines_lost_(other.lines_lost_) {}

ResultWriter& ResultWriter::operator=(ResultWriter&& other) noexcept {
    if (this == &other) return *this;
    finish();
    fd_ = std::exchange(other.fd_, -1);
    path_ = std::move(other.path_);
    log_ = std::move(other.log_);
    buffer_ = std::exchange(other.buffer_, {});
    mid_line_ = other.mid_line_;
    complained_ = other.complained_;
    lines_lost_ = other.lines_lost_;
    return *this;
}

ResultWriter::~ResultWriter() { finish(); }

void ResultWriter::finish() {
    if (fd_ < 0) return;
    flush();
    ::close(fd_);
    fd_ = -1;
}

void ResultWriter::write(const ResultLine& line) {
    buffer_ += to_json(line);
    buffer_ += '\n';
    if (buffer_.size() >= buffer_bytes_max) flush();
}

void ResultWriter::flush() {
    if (buffer_.empty() || fd_ < 0) return;
    // After a failure half-way through a line, the next attempt first ends that line.
    if (mid_line_ && write_all(fd_, "\n").empty()) mid_line_ = false;
    const std::string_view rest = mid_line_ ? std::string_view(buffer_) : write_all(fd_, buffer_);
    if (!rest.empty()) {
        const int reason = errno;
        const size_t done = buffer_.size() - rest.size();
        if (done > 0) mid_line_ = !take_back(fd_, std::string_view(buffer_).substr(0, done));
        lines_lost_ += static_cast<uint64_t>(std::count(rest.begin(), rest.end(), '\n'));
        if (!complained_ && log_)
            log_(LogLevel::error, fmt::format("results are being lost: {}: {}", path_, std::strerror(reason)));
        complained_ = true;
    }
    buffer_.clear();
}

}  // namespace eddy::metrics
