#include "lab/posix.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "eddy/real_clock.hpp"

namespace eddy::lab {

void Fd::reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
}

std::string system_error(const std::string& what, int error_number) {
    return what + ": " + std::strerror(error_number);
}

Result<std::string> read_text(const std::string& path) {
    constexpr size_t bytes_max = size_t{1} << 20;
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file) return unavailable(system_error(path, errno));
    std::string text;
    char buffer[4096];
    while (text.size() < bytes_max) {
        const ssize_t got = ::read(file.get(), buffer, std::min(sizeof buffer, bytes_max - text.size()));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return unavailable(system_error(path, errno));
        if (got == 0) break;
        text.append(buffer, static_cast<size_t>(got));
    }
    return text;
}

Status write_text(const std::string& path, const std::string& text) {
    const Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file) return unavailable(system_error(path, errno));
    ssize_t written = -1;
    do written = ::write(file.get(), text.data(), text.size());
    while (written < 0 && errno == EINTR);
    if (written != static_cast<ssize_t>(text.size()))
        return unavailable(system_error(path + ": writing '" + text + "'", written < 0 ? errno : EIO));
    return success();
}

int milliseconds_until(Instant deadline) {
    const Usec left = deadline - real_now();
    if (left <= Usec(0)) return 0;
    return static_cast<int>(std::min<Usec::rep>((left.count() + 999) / 1000, INT_MAX));
}

void pause_for(Usec time) {
    const timespec pause{time.count() / 1'000'000, (time.count() % 1'000'000) * 1000};
    ::nanosleep(&pause, nullptr);
}

}  // namespace eddy::lab
