// NodeCore: what the policy sees of this node, its successor and the ring, and which cuts are offered.
#include <algorithm>
#include <cmath>

#include "src/node/node_core.hpp"

namespace eddy::node {

namespace {
/// Of a link nothing was sent over yet: 100 Mbit/s.
constexpr double assumed_bytes_per_s = 12.5e6;
/// A foreign source's row goes when nothing came for so long.
constexpr Usec row_idle = std::chrono::seconds(60);
constexpr Usec cuts_every = std::chrono::seconds(1);

double bandwidth(const Link& link) {
    const double bytes_per_s = link.estimator().bytes_per_s();
    return bytes_per_s > 0 ? bytes_per_s : assumed_bytes_per_s;
}
}  // namespace

/// What a member runs of this node's model; absent: not known yet.
std::optional<LayerRange> NodeCore::layers_of(const NodeId& member) const {
    if (member == config_.self.id) return layers_;
    const auto link = links_.find(member);
    if (link == links_.end() || !link->second.state_known()) return std::nullopt;
    const auto& state = link->second.state();
    return state.chain_hash == config_.profile.chain_hash ? state.layers : LayerRange{0, 0};
}

/// Whether those to come can finish a frame of this model and source that leaves before `layer`: the members up to its
/// source, and the source itself, where a frame ends that nobody finished before. An own frame that would come back as
/// it went is none of theirs.
Ahead NodeCore::ahead_of(const NodeId& source, uint16_t layer) const {
    const auto& members = ring_.members();
    const uint16_t leaves_at = layer;
    Ahead unless = Ahead::stuck;
    for (size_t i = 1; i <= members.size(); ++i) {
        const NodeId& member = members[i % members.size()].id;
        const auto theirs = layers_of(member);
        if (!theirs) unless = Ahead::unknown;
        if (member == config_.self.id && layer == leaves_at && layer < costs_.layers()) return unless;
        if (theirs && theirs->contains(layer)) layer = theirs->last;
        if (layer >= costs_.layers()) return Ahead::finished;
        if (member == source) return unless;
    }
    return unless;
}

Link* NodeCore::next_link() {
    if (!way_ || *way_ == config_.self.id) return nullptr;
    const auto it = links_.find(*way_);
    return it == links_.end() ? nullptr : &it->second;
}

size_t NodeCore::queue_of(const Item& item) const {
    if (!policy_->uses_cuts()) return scheduler::queue_work;
    size_t queue = cuts_.size() - 1;
    while (queue > 0 && cuts_[queue] > item.layer) --queue;
    return queue;
}

size_t NodeCore::open_row(const SourceId& source) {
    if (const auto row = queues_.find(source)) return *row;
    view_dirty_ = true;
    return queues_.open(source);
}

void NodeCore::close_idle_rows() {
    for (size_t row = queues_.board().rows.size(); row-- > 0;) {
        const auto& r = queues_.board().rows[row];
        if (r.own || queues_.frames(row) > 0 || now_ - queues_.touched(row) < row_idle) continue;
        const bool running = std::any_of(lanes_.begin(), lanes_.end(),
                                         [&](const auto& lane) { return lane.second.item.frame.source == r.source; });
        if (!running) queues_.close(row);
    }
}

/// Backlogs, prices and credits of the successor.
void NodeCore::refresh_view() {
    view_dirty_ = false;
    auto& board = queues_.board();
    const Link* link = next_link();
    board.next_price.fill(0);
    if (link != nullptr && link->state_fresh(now_))
        for (const auto& entry : link->state().remaining)
            for (size_t c = 0; c < board.costs.classes; ++c)
                if (entry.layer <= board.costs.cut[c]) board.next_price[c] = entry.price;
    const bool finishes = layers_.first < layers_.last && layers_.last == costs_.layers();
    for (auto& row : board.rows) {
        row.next.fill(0);
        row.last = finishes && (link == nullptr || passes(row.source.node));
        const auto next = link == nullptr ? links_.end() : links_.find(next_for(row.source.node));
        row.credit = next != links_.end() && next->second.has_credit(row.source);
    }
    if (link == nullptr) return;
    link->each_backlog(now_, [&](const SourceId& source, uint16_t layer, uint32_t frames) {
        const auto row = queues_.find(source);
        if (!row) return;
        uint32_t& next = board.rows[*row].next[board.costs.class_of(layer)];
        next += std::min(frames, UINT32_MAX - next);
    });
}

void NodeCore::refresh_link() {
    const Link* link = next_link();
    // Nobody gets on, not even this one: what it accepts it only holds.
    const bool stuck = link != nullptr && link->progress().pace() == Progress::Pace::stuck;
    queues_.board().link = link != nullptr && link->free_at(ring_.round_trip(*way_)) <= now_ &&
                           (!stuck || link->progress().wants_probe(now_));
}

void NodeCore::refresh_costs() {
    scheduler::ClassInputs inputs;
    inputs.cuts = cuts_;
    inputs.computes = layers_.first < layers_.last;
    inputs.layers = layers_;
    if (inputs.computes) {
        costs_.measured(clock_.layer_s());
        for (const uint16_t cut : cuts_) inputs.before_s.push_back(stretch_ * clock_.seconds(0, cut));
        inputs.before_s.push_back(stretch_ * clock_.seconds(0, costs_.layers()));
    }
    if (const Link* link = next_link(); link != nullptr) {
        for (const uint16_t cut : cuts_) {
            const uint64_t bytes = costs_.layers() > 0 ? costs_.frontier_bytes(cut) : 0;
            inputs.transfer_s.push_back(static_cast<double>(bytes) / bandwidth(*link));
        }
        if (link->state_fresh(now_)) inputs.next = link->state().remaining;
    }
    queues_.board().costs = scheduler::class_costs(inputs, costs_.layers());
}

/// D of this node, for its predecessor. Of one that only relays it is that of the successor: what a frame's transfer
/// from here takes is mostly not known, as nothing is known of its layers.
std::vector<msg::Remaining> NodeCore::remaining() const {
    std::vector<msg::Remaining> list;
    if (layers_.first == layers_.last) {
        const auto link = way_ ? links_.find(*way_) : links_.end();
        if (link != links_.end() && link->second.state_fresh(now_)) list = link->second.state().remaining;
        return list;
    }
    const auto& costs = queues_.board().costs;
    for (size_t c = 0; c < costs.classes; ++c)
        if (std::isfinite(costs.remaining_s[c]))
            list.push_back({cuts_[c], from_seconds(costs.remaining_s[c]), queues_.board().price[c]});
    // Cuts are chosen by the link's speed; while it is not known, what a frame needs here is told for more layers than
    // are offered, or one that is nearly done would look as dear as a whole one.
    const uint16_t layers = costs_.layers();
    for (size_t i = 1;
         policy_->uses_cuts() && runs_all() && costs.classes == 1 && i < std::min<size_t>(remaining_max, layers); ++i) {
        const auto layer = static_cast<uint16_t>(i * layers / std::min<size_t>(remaining_max, layers));
        const double takes_s =
            stretch_ * (clock_.seconds(layer, layers) + scheduler::run_overhead * clock_.seconds(0, layers));
        list.push_back({layer, from_seconds(takes_s), prices_.lane_price(takes_s)});
    }
    return list;
}

/// Frames rest where this node's own layers begin and end as well, or they would not get as far as they can. So they do
/// where the successor's begin and end.
std::vector<uint16_t> NodeCore::with_own_cuts(std::vector<uint16_t> cuts) const {
    const auto add = [&](uint16_t cut) {
        const auto at = std::lower_bound(cuts.begin(), cuts.end(), cut);
        if (cut >= costs_.layers() || cuts.size() >= scheduler::cuts_max || (at != cuts.end() && *at == cut)) return;
        cuts.insert(at, cut);
    };
    add(layers_.first);
    add(layers_.last);
    if (way_ && *way_ != config_.self.id)
        if (const auto theirs = layers_of(*way_)) {
            add(theirs->first);
            add(theirs->last);
        }
    return cuts;
}

/// Chosen anew when measurements moved so far that it is worth it; used once all runs between them are ready, so no
/// frame waits for it. A frame that rests at a former cut goes on from there.
void NodeCore::choose_cuts() {
    const Link* link = next_link();
    if (!policy_->uses_cuts() || costs_.layers() == 0 || link == nullptr || !next_cuts_.empty()) return;
    auto cuts = cuts_;
    if (link->estimator().bytes_per_s() > 0) {
        if (now_ < cuts_due_) return;
        cuts_due_ = now_ + cuts_every;
        scheduler::CutCosts costs;
        costs.layer_s = clock_.layer_s();
        for (uint16_t cut = 0; cut <= costs_.layers(); ++cut)
            costs.frontier_bytes.push_back(costs_.frontier_bytes(cut));
        costs.bytes_per_s = link->estimator().bytes_per_s();
        cuts = scheduler::rechoose_cuts(cuts_, costs);
    }
    cuts = with_own_cuts(std::move(cuts));
    if (cuts == cuts_) return;
    next_cuts_ = std::move(cuts);
    std::vector<UnitRange> runs;
    for (size_t c = 0; c < next_cuts_.size(); ++c) {
        const uint16_t end = c + 1 < next_cuts_.size() ? next_cuts_[c + 1] : costs_.layers();
        if (next_cuts_[c] >= layers_.first && end <= layers_.last) runs.push_back({PlanId{}, next_cuts_[c], end});
    }
    sink_->prepare(runs);
}

/// w / r of an own source; 0 while nothing of it was admitted.
double NodeCore::want(StreamId id) const {
    const Stream& stream = streams_[id.value];
    const double rate = stream.admitted.per_s(now_);
    if (rate <= 0) return 0;
    const double weight = config_.streams[id.value].weight;
    return (weight > 0 ? weight : stream.offered.per_s(now_)) / rate;
}

double NodeCore::wanted_backlog(StreamId id) const {
    return scheduler::wanted_backlog(want(id), pressure_, config_.streams[id.value].priority);
}

/// The largest w / r of sources that are held back. A source that gets less than its share runs out of waiting frames
/// now and then; if it did not count at such instants, the others would think the ring theirs and flood it each time.
/// One with a priority is not held back for others' sake.
double NodeCore::own_pressure() const {
    double largest = 0;
    for (uint16_t i = 0; i < streams_.size(); ++i)
        if (config_.streams[i].priority == 0 && now_ - streams_[i].held < scheduler::held_memory)
            largest = std::max(largest, want(StreamId{i}));
    return largest;
}

void NodeCore::refresh_pressure() {
    pressure_ = 0;
    if (!policy_->uses_weights()) return;
    pressure_ = own_pressure();
    for (const auto& [peer, link] : links_)
        if (ring_.is_member(peer) && link.state_fresh(now_)) pressure_ = std::max(pressure_, link.state().pressure);
}

void NodeCore::refresh_held_back(Usec elapsed) {
    if (!policy_->uses_weights()) return;
    for (uint16_t i = 0; i < streams_.size(); ++i) {
        auto& row = queues_.board().rows[*queues_.find({config_.self.id, StreamId{i}})];
        const bool waiting = now_ - streams_[i].held <= elapsed;  // a reservoir of one is empty after each admission
        row.held_back = scheduler::held_back(row.held_back, waiting, wanted_backlog(StreamId{i}), row.here[0], elapsed);
    }
}

void NodeCore::refresh_workers() {
    auto& board = queues_.board();
    board.workers.clear();
    std::map<NodeId, uint32_t> given;
    for (auto it = given_.begin(); it != given_.end();) {
        const bool open = ledger_.find(it->first) != nullptr;
        if (open) ++given[it->second];
        it = open ? std::next(it) : given_.erase(it);
    }
    double parameters = 0;
    if (costs_.layers() > 0) parameters = static_cast<double>(costs_.parameters(0, costs_.layers()));
    for (const auto& [peer, link] : links_) {
        if (!ring_.is_member(peer) || link.state().chain_hash != config_.profile.chain_hash || parameters == 0)
            continue;
        scheduler::Worker worker;
        worker.node = peer;
        worker.model_s = link.state().gamma_s_per_parameter * parameters * (1 + scheduler::run_overhead);
        worker.transfer_s = static_cast<double>(costs_.frontier_bytes(0)) / bandwidth(link);
        link.each_backlog(now_, [&](const SourceId& source, uint16_t, uint32_t frames) {
            if (source.node != config_.self.id) worker.backlog += frames;
        });
        if (const auto own = given.find(peer); own != given.end()) worker.backlog += own->second;
        worker.free = link.free_at(ring_.round_trip(peer)) <= now_;
        for (size_t row = 0; row < board.rows.size(); ++row)
            if (board.rows[row].own && link.has_credit(board.rows[row].source))
                worker.credit[row / 64] |= uint64_t{1} << (row % 64);
        board.workers.push_back(worker);
    }
}

}  // namespace eddy::node
