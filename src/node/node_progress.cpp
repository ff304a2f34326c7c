// NodeCore: neighbours that do not get on, the way around them, and lanes that take too long.
#include <algorithm>

#include "src/node/node_core.hpp"

namespace eddy::node {

namespace {
/// So many members are looked at for one that gets on.
constexpr size_t ways_max = 4;
/// A slow neighbour is used again if it is more than so much as fast as the one used instead.
constexpr double worth_a_way_around = 0.5;
/// A run takes too long that takes so many times what was expected, and so much longer.
constexpr double stretch_least = 4;
constexpr double stretch_most = 1e4;
constexpr Usec overrun_least = from_ms(250);

/// From the first member on, which is this node, the one comes before the other, or without that.
bool lies_before(const std::vector<msg::Member>& members, const NodeId& one, const std::optional<NodeId>& other) {
    for (size_t i = 1; i < members.size(); ++i) {
        if (members[i].id == other) return false;
        if (members[i].id == one) return true;
    }
    return false;
}
}  // namespace

/// Only `layered` goes around anybody: the other policies are of the papers, whose frames pass everybody in turn, and
/// share out what is left among them. What they send is not watched (send_work), so all get on.
void NodeCore::watch_neighbours() {
    if (!policy_->uses_cuts()) return;
    for (auto& [peer, link] : links_) {
        const auto before = link.progress().pace();
        // What is finished waits for its source to say so, however long that is away.
        const auto counts = [&](const Item& item) { return ring_.is_member(item.frame.source.node); };
        link.progress().look(custody_.oldest(peer, counts), now_);
        turned(peer, link, before);
        if (before == Progress::Pace::stuck && link.progress().pace() == before)
            recall(peer, now_ - link.progress().stuck_after());
    }
}

/// What follows from a neighbour's getting on or not; nothing if it is as before.
void NodeCore::turned(const NodeId& peer, Link& link, Progress::Pace before) {
    const Progress& progress = link.progress();
    const double bytes_per_s = progress.bytes_per_s();
    if (const auto speed = link.progress().take_new_speed()) link.estimator().set(*speed);
    if (progress.pace() == before) return;
    view_dirty_ = true;
    const std::string name = "neighbour " + short_name(peer);
    if (progress.well()) return sink_->log(LogLevel::info, name + " gets on again");
    if (progress.pace() != Progress::Pace::stuck && bytes_per_s > 0) link.estimator().at_most(bytes_per_s);
    if (before != Progress::Pace::well) return;
    ++counters_.stalls;
    const uint64_t queued = queues_.frames();
    if (first_well()) take_back(link);  // else it would only go there again
    if (progress.pace() == Progress::Pace::stuck) recall(peer);
    const uint64_t returned = queues_.frames() - queued;
    counters_.stall_returned += returned;
    const auto waits = static_cast<int64_t>(to_ms(progress.waits(now_)));
    sink_->log(LogLevel::warning, name + " does not get on (" + name_of(progress.pace()) +
                                      (waits > 0 ? ", no receipt for " + std::to_string(waits) + " ms" : "") +
                                      "); work goes around it, " + std::to_string(returned) +
                                      " frames are queued again");
}

/// Whom work goes to. Changes with the ring and with how neighbours get on.
void NodeCore::choose_way() {
    auto way = first_well();
    if (way && way != ring_.successor() && accept_slow(*way)) way = first_well();
    if (!way) way = ring_.successor();
    if (way == way_) return;
    way_ = way;
    view_dirty_ = state_dirty_ = true;
    queues_.look_again();  // where a way ends depends on who is passed over
    refresh_costs();
}

/// The first after this node that gets on. Nothing: none of the next few does, or the successor is being reached anew.
std::optional<NodeId> NodeCore::first_well() {
    const auto& members = ring_.members();
    for (size_t i = 1; i < std::min(members.size(), ways_max + 1); ++i) {
        const auto link = links_.find(members[i].id);
        if (link == links_.end() && i == 1) return std::nullopt;
        if (link != links_.end() && link->second.progress().well()) return members[i].id;
    }
    return std::nullopt;
}

/// Of those passed over, who is only slow, and the one used instead is not much faster.
bool NodeCore::accept_slow(const NodeId& instead) {
    const double speed = links_.at(instead).progress().bytes_per_s();
    const auto& members = ring_.members();
    bool any = false;
    for (size_t i = 1; speed > 0 && i < members.size() && members[i].id != instead; ++i) {
        const auto link = links_.find(members[i].id);
        if (link == links_.end()) continue;
        Progress& progress = link->second.progress();
        if (progress.pace() != Progress::Pace::slow || progress.bytes_per_s() < worth_a_way_around * speed) continue;
        progress.accept_speed();
        turned(members[i].id, link->second, Progress::Pace::slow);
        any = true;
    }
    return any;
}

/// The next hop leads to this source, or past it.
bool NodeCore::passes(const NodeId& source) const {
    return source == way_ || lies_before(ring_.members(), source, way_);
}

/// No frame goes past its own source.
NodeId NodeCore::next_for(const NodeId& source) const { return passes(source) ? source : *way_; }

/// The process was stopped, or had no processor: neither neighbours nor lanes are to blame.
void NodeCore::stood_still() {
    for (auto& [peer, link] : links_) link.progress().forgive(now_);
    for (auto& [job, running] : lanes_) running.begun = now_;
}

/// A frame to somebody up to where the way leads who may be tried again, whatever that is worth: it would never come to
/// be otherwise, where nothing is worth sending over a slow link, or nothing goes the way around.
bool NodeCore::probe_one() {
    const auto& members = ring_.members();
    for (size_t i = 1; way_ && i < members.size(); ++i) {
        const NodeId& member = members[i].id;
        const auto link = links_.find(member);
        if (link != links_.end() && link->second.progress().wants_probe(now_) &&
            link->second.free_at(ring_.round_trip(member)) <= now_ && probe(member, link->second))
            return true;
        if (member == way_) break;
    }
    return false;
}

bool NodeCore::probe(const NodeId& member, const Link& link) {
    const auto& members = ring_.members();
    const auto& board = queues_.board();
    for (size_t row = 0; row < board.rows.size(); ++row) {
        const auto& r = board.rows[row];
        if (!link.has_credit(r.source) || lies_before(members, r.source.node, member)) continue;
        for (size_t queue = 0; queue < board.queues; ++queue) {
            // What ends here only because its source is passed over need not end here if this one gets on.
            const bool ends = (r.ends & scheduler::bit(queue)) != 0 && (member == way_ || !passes(r.source.node));
            if (r.here[queue] == 0 || ends) continue;
            start_hop({row, queue, member});
            return true;
        }
    }
    return false;
}

/// How many times longer than expected a run takes; 1 if that is nothing to speak of.
double NodeCore::stretch_of(const Running& running) const {
    const double expected_s =
        clock_.seconds(static_cast<uint16_t>(running.units.first), static_cast<uint16_t>(running.units.last));
    const double takes_s = to_seconds(now_ - running.begun);
    if (takes_s < expected_s * stretch_least || takes_s < expected_s + to_seconds(overrun_least)) return 1;
    return expected_s > 0 ? std::min(takes_s / expected_s, stretch_most) : stretch_most;
}

/// What takes so long that the clock of layers, which learns from what has ended, cannot know it yet.
void NodeCore::watch_lanes() {
    double stretch = last_stretch_;
    for (const auto& [job, running] : lanes_) stretch = std::max(stretch, stretch_of(running));
    if (stretch == stretch_) return;
    if (stretch > 1 && stretch_ == 1)
        sink_->log(LogLevel::info, "layers take more than " + std::to_string(static_cast<int>(stretch_least)) +
                                       " times as long as expected");
    stretch_ = stretch;
    view_dirty_ = state_dirty_ = true;
}

}  // namespace eddy::node
