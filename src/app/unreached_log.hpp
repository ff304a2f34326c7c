// Whom this node tried in vain lately, and why: for `eddy status` and `eddy doctor`. Bounded; one thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "eddy/messages.hpp"
#include "eddy/time.hpp"
#include "src/control/status.hpp"
#include "src/transport/network.hpp"

namespace eddy::app {

class UnreachedLog {
public:
    /// Who is not tried any more is forgotten: the ring calls lost peers and seeds every few seconds, for ever.
    static constexpr Usec remembered = std::chrono::seconds(30);
    static constexpr size_t entries_max = members_max;

    void on_dial_failed(const Endpoint& endpoint, transport::DialFailure failure, const std::string& reason,
                        Instant now);
    void on_peer_up(const Endpoint& endpoint) { entries_.erase(endpoint); }

    [[nodiscard]] std::vector<control::Unreached> rows(Instant now) const;

private:
    struct Entry {
        transport::DialFailure failure;
        std::string reason;
        Instant at{};
    };
    std::map<Endpoint, Entry> entries_;
};

}  // namespace eddy::app
