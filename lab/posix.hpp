// Small things around the system's calls that the lab's files share.
#pragma once

#include <string>
#include <utility>

#include "eddy/result.hpp"
#include "eddy/time.hpp"

namespace eddy::lab {

/// Owns an open file.
class Fd {
public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        if (this != &other) {
            reset();
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    ~Fd() { reset(); }

    [[nodiscard]] int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    void reset();

private:
    int fd_ = -1;
};

/// "what: the system's words for errno".
[[nodiscard]] std::string system_error(const std::string& what, int error_number);

/// The first MiB of a file.
[[nodiscard]] Result<std::string> read_text(const std::string& path);
/// Into a file that is there (a group's, say), in one write.
Status write_text(const std::string& path, const std::string& text);

/// For poll(): the milliseconds until then, rounded up; 0 if it has passed.
[[nodiscard]] int milliseconds_until(Instant deadline);

/// Between two looks at something that tells nobody when it changes.
void pause_for(Usec time);

}  // namespace eddy::lab
