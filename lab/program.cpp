#include "lab/program.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <string_view>

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "eddy/real_clock.hpp"
#include "lab/process.hpp"

namespace eddy::lab {
namespace {

constexpr size_t output_bytes_max = size_t{1} << 20;

std::string joined(const std::vector<std::string>& argv) {
    std::string all;
    for (const std::string& word : argv) all += (all.empty() ? "" : " ") + word;
    return all;
}

/// A file in memory that begins with `text`: the program reads at its own pace, and nobody has to feed it.
Fd text_file(const std::string& text) {
    Fd file(::memfd_create("input", MFD_CLOEXEC));
    for (size_t at = 0; file && at < text.size();) {
        const ssize_t written = ::write(file.get(), text.data() + at, text.size() - at);
        if (written < 0 && errno != EINTR) return {};
        if (written > 0) at += static_cast<size_t>(written);
    }
    if (file && ::lseek(file.get(), 0, SEEK_SET) != 0) return {};
    return file;
}

struct Output {
    Fd file;
    std::string text;

    /// False once it is closed.
    bool take() {
        char buffer[16384];
        const ssize_t got = ::read(file.get(), buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) return true;
        if (got <= 0) return false;
        text.append(buffer, std::min(static_cast<size_t>(got), output_bytes_max - text.size()));
        return true;
    }
};

/// True when both outputs were closed in time.
bool take_all(std::array<Output, 2>& outputs, Instant deadline) {
    for (;;) {
        std::array<pollfd, 2> waits{};
        for (size_t i = 0; i < 2; ++i) waits[i] = {outputs[i].file.get(), POLLIN, 0};
        if (waits[0].fd < 0 && waits[1].fd < 0) return true;
        const int ready = ::poll(waits.data(), waits.size(), milliseconds_until(deadline));
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) return false;
        for (size_t i = 0; i < 2; ++i)
            if (waits[i].revents != 0 && !outputs[i].take()) outputs[i].file.reset();
    }
}

}  // namespace

std::string find_program(const std::string& name) {
    if (name.find('/') != std::string::npos) return ::access(name.c_str(), X_OK) == 0 ? name : "";
    const char* path = std::getenv("PATH");
    const std::string folders = std::string(path != nullptr ? path : "/usr/bin:/bin") + ":/usr/sbin:/sbin";
    for (size_t at = 0; at < folders.size();) {
        const size_t end = std::min(folders.find(':', at), folders.size());
        const std::string found = folders.substr(at, end - at) + "/" + name;
        if (end > at && ::access(found.c_str(), X_OK) == 0) return found;
        at = end + 1;
    }
    return "";
}

Result<std::string> run_program(const std::vector<std::string>& argv, const std::string& stdin_text, Usec within) {
    const Instant deadline = real_now() + within;
    const Fd input = text_file(stdin_text);
    int out[2];
    int err[2];
    if (!input || ::pipe2(out, O_CLOEXEC) != 0) return unavailable(system_error("files for " + argv[0], errno));
    std::array<Output, 2> outputs{Output{Fd(out[0]), {}}, Output{}};
    Fd out_end(out[1]);
    if (::pipe2(err, O_CLOEXEC) != 0) return unavailable(system_error("files for " + argv[0], errno));
    outputs[1].file = Fd(err[0]);
    Fd err_end(err[1]);

    auto process = Process::start({}, argv, {}, Process::Files{input.get(), out_end.get(), err_end.get()});
    if (!process) return process.error();
    out_end.reset();
    err_end.reset();
    const bool closed = take_all(outputs, deadline);
    std::optional<int> ended = process->wait_for(Usec(0));
    while (closed && !ended && real_now() < deadline) ended = process->wait_for(deadline - real_now());
    if (!ended) return unavailable(joined(argv) + " took longer than " + std::to_string(within.count() / 1000) + " ms");
    if (*ended != 0) return internal(joined(argv) + " ended with " + std::to_string(*ended) + ": " + outputs[1].text);
    return std::move(outputs[0].text);
}

}  // namespace eddy::lab
