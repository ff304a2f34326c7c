#include "sim/shared_links.hpp"

#include <algorithm>
#include <cmath>

#include "eddy/assert.hpp"

namespace eddy::sim {

namespace {
constexpr double rounding = 1e-9;           // of shares that are equal
constexpr double exact_enough_usec = 1e-3;  // an end that is that near a microsecond is at it

Usec time_for(double bytes, double bytes_per_s) {
    if (bytes_per_s == SharedLinks::unlimited) return Usec{0};
    return Usec(std::max(int64_t{0}, static_cast<int64_t>(std::ceil(bytes / bytes_per_s * 1e6 - exact_enough_usec))));
}
}  // namespace

uint32_t SharedLinks::pair(uint32_t from, uint32_t to) {
    const auto [at, fresh] = pairs_.try_emplace({from, to}, static_cast<uint32_t>(resources_.size()));
    if (fresh) resources_.push_back({width_});
    return at->second;
}

uint32_t SharedLinks::card(std::map<uint32_t, uint32_t>& cards, uint32_t device) {
    const auto [at, fresh] = cards.try_emplace(device, static_cast<uint32_t>(resources_.size()));
    if (fresh) resources_.push_back({});
    return at->second;
}

void SharedLinks::set_width(uint32_t from, uint32_t to, double bytes_per_s) {
    EDDY_ASSERT(bytes_per_s > 0);
    resources_[pair(from, to)].width = bytes_per_s;
}

void SharedLinks::change_width(uint32_t from, uint32_t to, double bytes_per_s, Instant now) {
    advance(now);
    set_width(from, to, bytes_per_s);
    deal_out(now);
}

void SharedLinks::set_card(uint32_t device, double out_bytes_per_s, double in_bytes_per_s) {
    EDDY_ASSERT(out_bytes_per_s > 0 && in_bytes_per_s > 0);
    resources_[card(cards_out_, device)].width = out_bytes_per_s;
    resources_[card(cards_in_, device)].width = in_bytes_per_s;
}

void SharedLinks::begin(uint32_t tag, uint32_t from, uint32_t to, uint64_t bytes, Instant now) {
    advance(now);
    Flow flow;
    flow.tag = tag;
    flow.shares = {pair(from, to), card(cards_out_, from), card(cards_in_, to)};
    flow.left_bytes = static_cast<double>(bytes);
    flows_.push_back(flow);
    deal_out(now);
}

void SharedLinks::cancel(uint32_t tag, Instant now) {
    const auto at = std::find_if(flows_.begin(), flows_.end(), [tag](const Flow& flow) { return flow.tag == tag; });
    EDDY_ASSERT(at != flows_.end());
    erase(static_cast<size_t>(at - flows_.begin()), now);
}

uint32_t SharedLinks::take_ended(Instant now) {
    EDDY_ASSERT(next_end_ == now);
    const auto at = std::find_if(flows_.begin(), flows_.end(), [now](const Flow& flow) { return flow.ends == now; });
    EDDY_ASSERT(at != flows_.end());
    const uint32_t tag = at->tag;
    erase(static_cast<size_t>(at - flows_.begin()), now);
    return tag;
}

void SharedLinks::erase(size_t flow, Instant now) {
    advance(now);
    flows_.erase(flows_.begin() + static_cast<ptrdiff_t>(flow));
    deal_out(now);
}

void SharedLinks::advance(Instant now) {
    EDDY_ASSERT(now >= advanced_to_);
    const double seconds = to_seconds(now - advanced_to_);
    if (seconds > 0)
        for (Flow& flow : flows_) flow.left_bytes = std::max(0.0, flow.left_bytes - seconds * flow.bytes_per_s);
    advanced_to_ = now;
}

/// Progressive filling: all rates rise alike until something is full; who needs that keeps what it has.
void SharedLinks::deal_out(Instant now) {
    constexpr double none = -1;
    for (Flow& flow : flows_) {
        flow.bytes_per_s = none;
        for (const uint32_t r : flow.shares) {
            resources_[r].left = resources_[r].width;
            resources_[r].open = 0;
        }
    }
    for (const Flow& flow : flows_)
        for (const uint32_t r : flow.shares) ++resources_[r].open;
    // Each is in its own pair at least, so `open` of what it needs is above 0.
    const auto share_of = [this](const Flow& flow) {
        double share = unlimited;
        for (const uint32_t r : flow.shares) share = std::min(share, resources_[r].left / resources_[r].open);
        return share;
    };
    for (size_t open = flows_.size(); open > 0;) {
        double least = unlimited;
        for (const Flow& flow : flows_)
            if (flow.bytes_per_s == none) least = std::min(least, share_of(flow));
        for (Flow& flow : flows_) {
            if (flow.bytes_per_s != none || share_of(flow) > least * (1 + rounding)) continue;
            flow.bytes_per_s = least;
            --open;
            for (const uint32_t r : flow.shares) {
                --resources_[r].open;
                if (resources_[r].width == unlimited) continue;
                // Never nothing for those that are left, however the numbers were rounded.
                resources_[r].left = std::max(resources_[r].width * rounding, resources_[r].left - least);
            }
        }
    }
    next_end_ = never;
    for (Flow& flow : flows_) {
        flow.ends = now + time_for(flow.left_bytes, flow.bytes_per_s);
        next_end_ = std::min(next_end_, flow.ends);
    }
}

}  // namespace eddy::sim
