#include "src/app/unreached_log.hpp"

#include <algorithm>

#include "src/app/reach.hpp"
#include "src/config/node_config.hpp"

namespace eddy::app {

void UnreachedLog::on_dial_failed(const Endpoint& endpoint, transport::DialFailure failure, const std::string& reason,
                                  Instant now) {
    if (failure == transport::DialFailure::already_joined || failure == transport::DialFailure::self) {
        entries_.erase(endpoint);
        return;
    }
    if (entries_.size() >= entries_max && entries_.count(endpoint) == 0)
        entries_.erase(std::min_element(entries_.begin(), entries_.end(),
                                        [](const auto& a, const auto& b) { return a.second.at < b.second.at; }));
    entries_[endpoint] = {failure, reason, now};
}

std::vector<control::Unreached> UnreachedLog::rows(Instant now) const {
    std::vector<control::Unreached> rows;
    for (const auto& [endpoint, entry] : entries_)
        if (now - entry.at <= remembered)
            rows.push_back({config::to_string(endpoint), control::word(reach_of(entry.failure, entry.reason)),
                            entry.reason, to_seconds(now - entry.at)});
    return rows;
}

}  // namespace eddy::app
