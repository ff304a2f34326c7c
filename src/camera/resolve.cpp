#include "src/camera/resolve.hpp"

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include <netdb.h>
#include <sys/socket.h>

#include "eddy/real_clock.hpp"

namespace eddy::camera {
namespace {

/// How long a set stop flag may go unseen.
constexpr auto stop_check = std::chrono::milliseconds(50);

Status look_up(const std::string& host, int flags) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags;
    addrinfo* found = nullptr;
    const int code = getaddrinfo(host.c_str(), nullptr, &hints, &found);
    if (code != 0) return unavailable("cannot find host \"" + host + "\": " + gai_strerror(code));
    freeaddrinfo(found);
    return success();
}

}  // namespace

std::string host_of(const std::string& url) {
    const size_t scheme = url.find("://");
    if (scheme == std::string::npos) return {};
    std::string host = url.substr(scheme + 3);
    host = host.substr(0, host.find_first_of("/?#"));
    if (const size_t at = host.rfind('@'); at != std::string::npos) host.erase(0, at + 1);
    if (!host.empty() && host[0] == '[') {
        const size_t end = host.find(']');
        return end == std::string::npos ? std::string() : host.substr(1, end - 1);
    }
    return host.substr(0, host.find(':'));
}

Status run_abandonable(std::function<Status()> call, Instant deadline, const std::atomic<bool>* stop) {
    struct Shared {
        std::mutex mutex;
        std::condition_variable done;
        std::optional<Status> status;  ///< by mutex
    };
    auto shared = std::make_shared<Shared>();
    try {
        std::thread([shared, call = std::move(call)] {
            Status status = call();
            const std::lock_guard lock(shared->mutex);
            shared->status = std::move(status);
            shared->done.notify_all();
        }).detach();
    } catch (const std::system_error& e) {
        return exhausted(std::string("no thread: ") + e.what());
    }
    std::unique_lock lock(shared->mutex);
    while (!shared->status) {
        if (stop != nullptr && stop->load()) return unavailable("stopped");
        if (real_now() >= deadline) return unavailable("no answer in time");
        shared->done.wait_for(lock, stop_check);
    }
    return *shared->status;
}

Status resolve(const std::string& host, Instant deadline, const std::atomic<bool>* stop) {
    if (host.empty()) return invalid("the address has no host in it");
    if (look_up(host, AI_NUMERICHOST).ok()) return success();  // needs no lookup
    auto status = run_abandonable([host] { return look_up(host, 0); }, deadline, stop);
    if (!status && status.error().message.find(host) == std::string::npos)
        return Error{status.error().code, "looking up host \"" + host + "\": " + status.error().message};
    return status;
}

}  // namespace eddy::camera
