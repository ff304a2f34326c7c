// Log lines about what strangers do: each kind once, then once a minute with the count of those left out. Without it a
// misconfigured peer, which retries for ever, would fill the disk.
#pragma once

#include <map>
#include <string>

#include "eddy/log.hpp"
#include "eddy/time.hpp"

namespace eddy::transport {

class LogLimiter {
public:
    static constexpr Usec interval = std::chrono::minutes(1);
    static constexpr size_t kinds_max = 256;

    explicit LogLimiter(LogFn log) : log_(std::move(log)) {}

    /// `kind` tells lines apart: an address and what happened, without what varies.
    void operator()(LogLevel level, const std::string& kind, const std::string& text, Instant now) {
        if (!log_) return;
        const auto found = kinds_.find(kind);
        if (found != kinds_.end() && now - found->second.last < interval) {
            ++found->second.left_out;
            return;
        }
        std::string line = text;
        if (found != kinds_.end() && found->second.left_out > 0)
            line += " (" + std::to_string(found->second.left_out) + " more since the last such line)";
        if (found == kinds_.end() && kinds_.size() >= kinds_max) forget_oldest();
        kinds_[kind] = {now, 0};
        log_(level, line);
    }

private:
    struct Kind {
        Instant last{};
        uint64_t left_out = 0;
    };

    void forget_oldest() {
        auto oldest = kinds_.begin();
        for (auto it = kinds_.begin(); it != kinds_.end(); ++it)
            if (it->second.last < oldest->second.last) oldest = it;
        kinds_.erase(oldest);
    }

    LogFn log_;
    std::map<std::string, Kind> kinds_;
};

}  // namespace eddy::transport
