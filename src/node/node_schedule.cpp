// NodeCore: what to work on, how far, and where it goes next.
#include <algorithm>

#include "src/node/node_core.hpp"

namespace eddy::node {

namespace {
constexpr uint64_t header_bytes = 512;

uint64_t message_bytes(const scheduler::Item& item) {
    uint64_t bytes = header_bytes;
    for (const auto& tensor : item.tensors) bytes += tensor.bytes;
    return bytes;
}
}  // namespace

void NodeCore::pump() {
    if (view_dirty_) refresh_view();
    prices_.passes(now_);
    // Each round moves at least one frame a step further, so this ends.
    while (admit_frames() || move_one()) {
    }
    for (Stream& stream : streams_)
        if (!stream.reservoir.empty()) stream.held = now_;
    prices_.stands(flows_.lane_free(), next_link() == nullptr || queues_.board().link);
    if (Link* link = next_link(); link != nullptr && !queues_.board().link) {
        const Instant free = link->free_at(ring_.round_trip(*way_));
        if (free != never && free > now_ && free != link_armed_) sink_->arm(TimerId::link, link_armed_ = free);
    }
}

bool NodeCore::admit_frames() {
    bool moved = false;
    const auto count = static_cast<uint16_t>(streams_.size());
    const bool by_rows = flows_.takes_frames();
    for (uint16_t turn = 0; turn < count; ++turn) {
        const auto i = static_cast<uint16_t>((turn + (by_rows ? flows_.first_stream() : 0)) % count);
        Stream& stream = streams_[i];
        const StreamId id{i};
        while (!stream.again.empty() && ledger_.find(ledger_.id(id, stream.again.front())) == nullptr)
            stream.again.pop_front();
        if (stream.again.empty() && stream.reservoir.empty()) continue;
        const size_t row = *queues_.find({config_.self.id, id});
        const bool again = !stream.again.empty();
        const auto open = ledger_.open(id).size() - stream.reservoir.size();
        if (!again && open >= config_.in_flight_frames) continue;
        if (!again && open > 0 && !roomy(0)) continue;
        if (by_rows) {
            if (!flows_.has_room()) break;
            flows_.begin(next_frame(id, again));
            moved = true;
            continue;
        }
        const auto& lengths = queues_.board().rows[row];
        const size_t queue = policy_->admit(lengths);
        const uint32_t most = policy_->uses_weights()
                                  ? scheduler::admitted_frames(wanted_backlog(id), config_.queue_frames)
                                  : config_.queue_frames;
        if (lengths.here[queue] >= most) continue;
        admit_frame(id, row, queue, again);
        moved = true;
    }
    return moved;
}

FrameId NodeCore::next_frame(StreamId id, bool again) {
    Stream& stream = streams_[id.value];
    auto& from = again ? stream.again : stream.reservoir;
    const FrameId frame = ledger_.id(id, from.front());
    from.pop_front();
    ledger_.admit(frame, now_, *sink_);
    if (!again) {
        sink_->allow_capture({id, 1});
        stream.admitted.count(now_);
    }
    return frame;
}

void NodeCore::admit_frame(StreamId id, size_t row, size_t queue, bool again) {
    Item item;
    item.frame = next_frame(id, again);
    const FrameRecord& record = *ledger_.find(item.frame);
    item.attempt = record.attempts;
    item.chain_hash = config_.profile.chain_hash;
    item.tensors = {record.raw};
    buffers_.retain(record.raw);
    if (!again) item.so_far.waiting = std::max(Usec{0}, now_ - record.captured_at);
    item.since = now_;  // it comes to rest in this queue now: frames of other sources may have waited here for longer
    item.deadline = record.deadline;
    queues_.push_back(row, queue, std::move(item), now_);
    state_dirty_ = true;
}

/// One step of one frame, onto a lane or a link.
bool NodeCore::move_one() {
    if (move_stuck()) return true;
    scheduler::Board& board = queues_.board();
    board.lane = flows_.lane_free();
    refresh_link();
    if ((stopping_ && hand_on_one()) || probe_one()) return true;
    if (policy_->uses_workers()) refresh_workers();
    if (policy_->uses_cuts()) prices_.write(board);
    auto run = board.lane ? policy_->pick_run(board) : std::nullopt;
    const auto hop = policy_->pick_hop(board);
    if (run && hop && run->row == hop->row && run->queue == hop->queue && board.rows[run->row].here[run->queue] == 1 &&
        !policy_->run_rather(board, *run, *hop))
        run.reset();
    if (board.lane && flows_.rather(run) && flows_.start_job()) return true;
    if (run)
        start_run(*run);
    else if (hop)
        start_hop(*hop);
    return run || hop;
}

/// Heads whose way ends here: those that cannot be finished here are given up, computed ones that can go no further
/// since the ring changed are worked on again. Frames to be computed wholly here never go further.
bool NodeCore::move_stuck() {
    const auto& board = queues_.board();
    bool moved = false;
    const auto fail_head = [&](size_t row, size_t queue) {
        if (const auto item = take(row, queue)) {
            const bool known = costs_.layers() > 0 && item->chain_hash == config_.profile.chain_hash;
            give_up(*item, known ? "no_memory_for_layers" : "no_model_at_last_node", false);
            buffers_.release(item->tensors, *sink_);
        }
        moved = true;
    };
    for (size_t row = 0; row < board.rows.size(); ++row) {
        const auto& r = board.rows[row];
        if ((r.foreign & scheduler::bit(scheduler::queue_local)) != 0) fail_head(row, scheduler::queue_local);
        if (r.ends == 0) continue;
        for (size_t queue = 0; queue < board.queues; ++queue) {
            if ((r.ends & r.foreign & scheduler::bit(queue)) != 0) {
                fail_head(row, queue);
            } else if (!policy_->uses_cuts() && queue == scheduler::queue_outbox &&
                       (r.ends & scheduler::bit(queue)) != 0) {
                if (auto item = take(row, queue)) requeue(std::move(*item));
                moved = true;
            }
        }
    }
    return moved;
}

/// A node that is to stop passes on what others gave it, whatever that is worth, as the link allows. The lanes go on as
/// ever meanwhile, so what cannot be passed on is finished here.
bool NodeCore::hand_on_one() {
    const auto& board = queues_.board();
    for (size_t row = 0; board.link && row < board.rows.size(); ++row) {
        const auto& r = board.rows[row];
        for (size_t queue = 0; !r.own && r.credit && queue < board.queues; ++queue) {
            if (r.here[queue] == 0 || (r.ends & scheduler::bit(queue)) != 0) continue;
            start_hop({row, queue, std::nullopt});
            return true;
        }
    }
    return false;
}

/// The head of a queue, unless nobody wants it any more; then it is gone.
std::optional<NodeCore::Item> NodeCore::take(size_t row, size_t queue) {
    Item item = queues_.pop(row, queue, now_);
    state_dirty_ = true;
    if (dead(item)) {
        ++counters_.work_stale;
        release(item.frame, item.keeper);
    } else if (item.deadline <= now_) {
        give_up(item, "deadline", true);
    } else if (too_old(item)) {
        give_up(item, "timeout", false);
    } else {
        return item;
    }
    buffers_.release(item.tensors, *sink_);
    return std::nullopt;
}

void NodeCore::start_run(const scheduler::Run& run) {
    const auto& costs = queues_.board().costs;
    auto item = take(run.row, run.queue);
    if (!item) return;
    if (policy_->uses_cuts() && run.score > 0)
        prices_.ran(run.score, 1 / costs.run[run.queue][*run.until].per_s, costs.model_s);
    const uint16_t until = run.until ? costs.cut[*run.until] : cut_for(*item);
    if (until > item->layer) return start_job(std::move(*item), until);
    ++counters_.work_relayed;
    queues_.push_back(run.row, scheduler::queue_outbox, std::move(*item), now_);
}

void NodeCore::start_hop(const scheduler::Hop& hop) {
    const auto& hops = queues_.board().costs.hop;
    auto item = take(hop.row, hop.queue);
    if (!item) return;
    if (policy_->uses_cuts() && hop.score > 0 && hops[hop.queue].per_s > 0)
        prices_.hopped(hop.score, 1 / hops[hop.queue].per_s, 1 / hops[0].per_s);
    if (policy_->uses_cuts() && item->layer > 0 && !can_compute(*item)) ++counters_.work_relayed;
    item->so_far.waiting += std::max(Usec{0}, now_ - item->since);
    item->since = now_;
    const SourceId source = item->frame.source;
    send_work(std::move(*item), hop.to ? *hop.to : next_for(source.node));
}

void NodeCore::start_job(Item item, uint16_t until) {
    EDDY_ASSERT(layers_.contains(item.layer) && until > item.layer && until <= layers_.last);
    item.so_far.waiting += std::max(Usec{0}, now_ - item.since);
    Job job;
    job.id = JobId{next_job_++};
    job.units = {item.plan, item.layer, until};
    job.inputs = item.tensors;
    job.ends_model = until == costs_.layers();
    ++counters_.jobs;
    lanes_.emplace(job.id, Running{std::move(item), job.units, now_});
    sink_->compute(job);
}

// A node finishes the model if it is alone, if the frame is back at its source, if it has visited everybody, or if the
// source comes next, or is passed over on the way. A node that cannot finish the frame hands it back to its source
// then, or passes it on: while a ring forms or changes the members it knows are not all, or for a moment hardly any,
// and somebody behind it may be able to. It gives up only what has been round and round. If it is alone it waits for
// others.
bool NodeCore::ends_here(const Item& item) const {
    if (policy_->uses_workers()) return item.frame.source.node != config_.self.id || item.hops > 0;
    const size_t members = ring_.members().size();
    const bool own = item.frame.source.node == config_.self.id;
    if (members <= 1) return own || can_finish(item);
    if (own) return item.hops > 0;
    if (passes(item.frame.source.node)) return can_finish(item);
    return item.hops + size_t{1} >= (can_finish(item) ? members : members + members_max);
}

bool NodeCore::too_old(const Item& item) const {
    return item.frame.source.node != config_.self.id && now_ - item.since > config_.frame_timeout;
}

uint16_t NodeCore::cut_for(const Item& item) const {
    if (!can_compute(item)) return item.layer;
    std::vector<double> gammas{gamma_s_per_parameter(config_.self.id)};
    // Without parameters, or time, there is nothing to share out by. Passed on by all, it would come home untouched,
    // and there find the queue full of frames that wait for those on their way.
    if (gammas.front() <= 0) return layers_.last;
    const auto& members = ring_.members();
    for (size_t i = 1; i < members.size() && members[i].id != item.frame.source.node; ++i) {
        const auto link = links_.find(members[i].id);
        const bool same = link != links_.end() && link->second.state().chain_hash == item.chain_hash;
        gammas.push_back(same ? link->second.state().gamma_s_per_parameter : 0);
    }
    return std::min(scheduler::ar_mdi_cut(costs_, item.layer, gammas, config_.shares), layers_.last);
}

bool NodeCore::can_compute(const Item& item) const {
    return layers_.contains(item.layer) && item.chain_hash == config_.profile.chain_hash;
}

bool NodeCore::can_finish(const Item& item) const { return can_compute(item) && layers_.last == costs_.layers(); }

scheduler::HeadFacts NodeCore::facts_of(const Item& item) const {
    scheduler::HeadFacts facts;
    facts.ends = ends_here(item);
    // Under `local` and `ddi` a frame is run to its end where it is run at all.
    const bool to_its_end = facts.ends || config_.policy == PolicyKind::local || policy_->uses_workers();
    facts.foreign = to_its_end ? !can_finish(item) : !can_compute(item);
    if (to_its_end || costs_.layers() == 0 || item.chain_hash != config_.profile.chain_hash) return facts;
    const NodeId& source = item.frame.source.node;
    if (ahead_of(source, item.layer) == Ahead::finished) return facts;
    const Ahead after = ahead_of(source, facts.foreign ? item.layer : layers_.last);
    if (after != Ahead::stuck) {
        facts.stays = !facts.foreign;
    } else {  // nobody will finish it: its own source gives it up, others pass it home
        facts.ends = source == config_.self.id;
        facts.foreign = true;
    }
    return facts;
}

void NodeCore::discard_dead_heads() {
    const auto& board = queues_.board();
    const auto discard = [&](size_t row, size_t queue) {
        while (!queues_.queue(row, queue).empty()) {
            const Item& head = queues_.queue(row, queue).front();
            if (!dead(head) && head.deadline > now_ && !too_old(head)) return;
            if (take(row, queue)) return;
        }
    };
    for (size_t row = 0; row < board.rows.size(); ++row) {
        for (size_t queue = 0; queue < board.queues; ++queue) discard(row, queue);
        discard(row, scheduler::queue_local);
    }
}

void NodeCore::send_work(Item item, const NodeId& to) {
    msg::Work work;
    work.frame = item.frame;
    work.attempt = item.attempt;
    work.hops = static_cast<uint16_t>(item.hops + 1);
    work.plan = item.plan;
    work.epoch = item.epoch;
    work.chain_hash = item.chain_hash;
    work.layer = item.layer;
    const size_t row = *queues_.find(item.frame.source);
    auto& lengths = queues_.board().rows[row];
    work.priority = lengths.priority;
    if (item.deadline != never) work.deadline_left = item.deadline - now_;
    work.so_far = item.so_far;
    item.custody = work.custody = custody_.next_number();
    const auto tensors = item.tensors;
    const uint64_t bytes = message_bytes(item);
    if (policy_->uses_workers()) given_[item.frame] = to;
    Link& link = links_.at(to);
    work.seq = link.send(std::move(item), bytes, now_);
    if (policy_->uses_cuts()) {
        if (link.progress().wants_probe(now_)) link.progress().on_probe(now_);
        link.progress().on_sent(work.seq, bytes, now_);
    }
    if (to == next_for(work.frame.source.node)) {
        ++lengths.next[queues_.board().costs.class_of(work.layer)];
        lengths.credit = link.has_credit(work.frame.source);
    }
    sink_->send(to, work, tensors);
}

}  // namespace eddy::node
