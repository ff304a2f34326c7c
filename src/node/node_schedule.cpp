// NodeCore: what to work on, how far, and where it goes next.
#include <algorithm>

#include "src/node/node_core.hpp"

namespace eddy::node {

namespace {
/// Activations of one source that may wait for the link; beyond it, computing more would only fill memory.
constexpr size_t outbox_frames = 2;
constexpr uint64_t header_bytes = 512;

uint64_t message_bytes(const scheduler::Item& item) {
    uint64_t bytes = header_bytes;
    for (const auto& tensor : item.tensors) bytes += tensor.bytes;
    return bytes;
}
}  // namespace

void NodeCore::pump() {
    // Each round moves at least one frame a step further, so this ends.
    while (admit_frames() || forward_ready() || start_work()) {
    }
}

bool NodeCore::admit_frames() {
    bool moved = false;
    for (uint16_t i = 0; i < stream_count_; ++i) {
        Stream& stream = streams_[i];
        const StreamId id{i};
        while (!stream.again.empty() && ledger_.find(ledger_.id(id, stream.again.front())) == nullptr)
            stream.again.pop_front();
        if (stream.again.empty() && stream.reservoir.empty()) continue;
        const SourceId source{config_.self.id, id};
        Queues& queues = queues_.at(source);
        const auto open = ledger_.open(id).size() - stream.reservoir.size();
        const bool again = !stream.again.empty();
        if (!again && open >= config_.in_flight_frames) continue;
        const auto kind = policy_->admit(view(source, queues));
        auto& queue = kind == scheduler::QueueKind::local ? queues.local : queues.distributed;
        if (queue.size() >= config_.queue_frames) continue;
        auto& from = again ? stream.again : stream.reservoir;
        const FrameId frame = ledger_.id(id, from.front());
        from.pop_front();
        FrameRecord& record = *ledger_.find(frame);
        ledger_.admit(record, id, now_);
        if (!again) sink_->allow_capture({id, 1});
        Item item;
        item.frame = frame;
        item.attempt = record.attempts;
        item.chain_hash = config_.profile.chain_hash;
        item.tensors = {record.raw};
        buffers_.retain(record.raw);
        item.since = again ? now_ : record.captured_at;
        item.deadline = record.deadline;
        queue.push_back(std::move(item));
        state_dirty_ = moved = true;
    }
    return moved;
}

scheduler::SourceView NodeCore::view(const SourceId& source, const Queues& queues) const {
    scheduler::SourceView view;
    view.source = source;
    view.local = static_cast<uint32_t>(queues.local.size());
    view.distributed = static_cast<uint32_t>(queues.distributed.size());
    view.served = queues.served;
    const auto starves = [&](const std::deque<Item>& queue, Instant served) {
        return !queue.empty() && now_ - std::max(served, queue.front().since) >= scheduler::starves_after;
    };
    view.local_starves = starves(queues.local, queues.local_served);
    view.distributed_starves = starves(queues.distributed, queues.distributed_served);
    if (queues.distributed.empty()) return view;
    const Item& head = queues.distributed.front();
    if (ends_here(head)) return view;
    view.servable = queues.outbox.size() < outbox_frames;
    const auto link = links_.find(*ring_.successor());
    if (link != links_.end()) view.downstream = link->second.backlog(source, now_);
    return view;
}

bool NodeCore::start_work() {
    if (lanes_.size() >= config_.lanes) return false;
    std::vector<scheduler::SourceView> views;
    for (const auto& [source, queues] : queues_)
        if (!queues.local.empty() || !queues.distributed.empty()) views.push_back(view(source, queues));
    auto pick = scheduler::pick_starving(views);
    if (!pick) pick = policy_->pick(views);
    return pick && start_one(*pick);
}

bool NodeCore::start_one(const scheduler::Pick& pick) {
    Queues& queues = queues_.at(pick.source);
    const bool local = pick.queue == scheduler::QueueKind::local;
    auto& queue = local ? queues.local : queues.distributed;
    EDDY_ASSERT(!queue.empty());
    Item item = std::move(queue.front());
    queue.pop_front();
    queues.served = ++served_;
    (local ? queues.local_served : queues.distributed_served) = now_;
    state_dirty_ = true;
    if (dead(item)) {
        drop_item(item);
    } else if (item.deadline <= now_) {
        give_up(item, "deadline", true);
        buffers_.release(item.tensors, *sink_);
    } else if (local) {
        start_job(std::move(item), costs_.layers(), true);
    } else if (ends_here(item)) {
        if (can_compute(item)) {
            const bool whole = item.layer == 0 && ledger_.mine(item.frame);
            start_job(std::move(item), costs_.layers(), whole);
        } else {
            give_up(item, "no_model_at_last_node", false);
            buffers_.release(item.tensors, *sink_);
        }
    } else {
        const uint16_t cut = cut_for(item);
        if (cut > item.layer) {
            start_job(std::move(item), cut, false);
        } else {
            ++counters_.work_relayed;
            to_outbox(std::move(item));
        }
    }
    return true;
}

void NodeCore::start_job(Item item, uint16_t cut, bool whole_model) {
    EDDY_ASSERT(cut > item.layer && cut <= costs_.layers());
    item.so_far.waiting += std::max(Usec{0}, now_ - item.since);
    Job job;
    job.id = JobId{next_job_++};
    job.units = {item.plan, item.layer, cut};
    job.inputs = item.tensors;
    job.ends_model = cut == costs_.layers();
    ++counters_.jobs;
    lanes_.emplace(job.id, Running{std::move(item), job.units, whole_model});
    sink_->compute(job);
}

// A node finishes the model if it is alone, if the source comes next, if the frame is back at its source, or if it has
// visited everybody.
bool NodeCore::ends_here(const Item& item) const {
    const size_t members = ring_.members().size();
    if (members <= 1) return true;
    if (item.frame.source.node == config_.self.id) return item.hops > 0;
    return *ring_.successor() == item.frame.source.node || item.hops + size_t{1} >= members;
}

uint16_t NodeCore::cut_for(const Item& item) const {
    if (!can_compute(item)) return item.layer;
    std::vector<double> gammas{gamma_s_per_parameter(config_.self.id)};
    const auto& members = ring_.members();
    for (size_t i = 1; i < members.size() && members[i].id != item.frame.source.node; ++i) {
        const auto link = links_.find(members[i].id);
        const bool same = link != links_.end() && link->second.state().chain_hash == item.chain_hash;
        gammas.push_back(same ? link->second.state().gamma_s_per_parameter : 0);
    }
    return scheduler::ar_mdi_cut(costs_, item.layer, gammas);
}

bool NodeCore::can_compute(const Item& item) const {
    return costs_.layers() > 0 && item.chain_hash == config_.profile.chain_hash;
}

// One step: the link takes, of all that could go, what has waited longest, so no source crowds out another.
bool NodeCore::forward_ready() {
    bool moved = false;
    std::deque<Item>* next = nullptr;
    for (auto& [source, queues] : queues_) {
        if (queues.outbox.empty()) continue;
        const Item& head = queues.outbox.front();
        if (dead(head) || head.deadline <= now_ || ends_here(head)) {
            Item item = std::move(queues.outbox.front());
            queues.outbox.pop_front();
            requeue(std::move(item));  // the ring changed, or time did: let the scheduler look at it again
            moved = true;
        } else if (can_send(head) && (next == nullptr || head.since < next->front().since)) {
            next = &queues.outbox;
        }
    }
    if (next == nullptr) return moved;
    Item item = std::move(next->front());
    next->pop_front();
    send_work(std::move(item));
    return true;
}

bool NodeCore::can_send(const Item& item) const {
    const NodeId successor = *ring_.successor();
    const auto link = links_.find(successor);
    return link != links_.end() && link->second.has_credit(item.frame.source) &&
           link->second.has_room(message_bytes(item), ring_.round_trip(successor));
}

void NodeCore::send_work(Item item) {
    const NodeId successor = *ring_.successor();
    msg::Work work;
    work.frame = item.frame;
    work.attempt = item.attempt;
    work.hops = static_cast<uint16_t>(item.hops + 1);
    work.plan = item.plan;
    work.epoch = item.epoch;
    work.chain_hash = item.chain_hash;
    work.layer = item.layer;
    if (item.deadline != never) work.deadline_left = item.deadline - now_;
    work.so_far = item.so_far;
    const auto tensors = item.tensors;
    const uint64_t bytes = message_bytes(item);
    work.seq = links_.at(successor).send(std::move(item), bytes);
    sink_->send(successor, work, tensors);
}

}  // namespace eddy::node
