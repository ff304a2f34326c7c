#include "sim/ring_world.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "eddy/assert.hpp"

namespace eddy::sim {

/// One machine and, while it runs, the ring of its process.
class RingWorld::Node final : public EffectSink {
public:
    Node(RingWorld& world, size_t index, std::vector<size_t> seeds)
        : world_(world), index_(index), seeds_(std::move(seeds)) {}

    void start() {
        ring::RingConfig config = world_.options_.ring;
        config.self = member(world_.fabric_.life(index_));
        config.seeds.clear();
        for (const size_t seed : seeds_) config.seeds.push_back(Fabric::endpoint(seed));
        ring_ = std::make_unique<ring::Ring>(std::move(config), world_.random_.next());
        leaving_ = false;
        ring_->start(world_.now(), *this);
        world_.after(*this);
    }

    [[nodiscard]] msg::Member member(uint32_t life) const {
        return {world_.ids_[index_], Incarnation{life}, "n" + std::to_string(index_), Fabric::endpoint(index_)};
    }

    // -- EffectSink: a ring uses only these ---------------------------------------------------------------------------
    void send(const NodeId& peer, const Message& message, std::span<const TensorRef>) override {
        // Most messages answer the last one.
        if (last_heard_ < world_.ids_.size() && world_.ids_[last_heard_] == peer)
            return world_.fabric_.send(index_, last_heard_, message, {}, 0);
        const auto to = world_.indices_.find(peer);
        if (to != world_.indices_.end()) world_.fabric_.send(index_, to->second, message, {}, 0);
    }
    void connect(const Endpoint& endpoint) override { world_.fabric_.dial(index_, endpoint); }
    void disconnect(const NodeId& peer, const std::string& reason) override {
        const auto to = world_.indices_.find(peer);
        if (to != world_.indices_.end()) world_.fabric_.close(index_, to->second, reason);
    }
    void log(LogLevel level, const std::string& text) override {
        if (world_.options_.log) world_.options_.log(index_, level, text);
    }
    void compute(const Job&) override { EDDY_ASSERT(false); }
    void prepare(std::span<const UnitRange>) override { EDDY_ASSERT(false); }
    void release(BufferId) override { EDDY_ASSERT(false); }
    void deliver(const FrameId&, const Outcome&) override { EDDY_ASSERT(false); }
    void allow_capture(CaptureAllowance) override { EDDY_ASSERT(false); }
    void arm(TimerId, Instant) override { EDDY_ASSERT(false); }
    void idle() override { EDDY_ASSERT(false); }

    RingWorld& world_;
    size_t index_;
    std::vector<size_t> seeds_;
    std::unique_ptr<ring::Ring> ring_;
    size_t last_heard_ = SIZE_MAX;  ///< who sent the last message
    size_t lookups_ = 0;            ///< begun and not answered
    bool leaving_ = false;
};

RingWorld::RingWorld(RingWorldOptions options)
    : options_(std::move(options)), random_(options_.seed), fabric_(random_.next(), options_.network, *this) {}
RingWorld::~RingWorld() = default;

size_t RingWorld::add(const NodeId& id, std::vector<size_t> seeds) {
    const size_t index = fabric_.add();
    EDDY_ASSERT(indices_.emplace(id, index).second);
    ids_.push_back(id);
    is_live_.push_back(false);
    nodes_.push_back(std::make_unique<Node>(*this, index, std::move(seeds)));
    return index;
}

size_t RingWorld::size() const { return nodes_.size(); }
const NodeId& RingWorld::id(size_t node) const { return ids_[node]; }

void RingWorld::start(size_t node) {
    if (running(node)) return;
    fabric_.start(node);
    set_live(node, true);
    nodes_[node]->start();
}

void RingWorld::leave(size_t node) {
    Node& leaver = *nodes_[node];
    if (!live(node)) return;
    leaver.leaving_ = true;
    set_live(node, false);
    leaver.ring_->leave("it was stopped", now(), leaver);
    fabric_.at_process(node, now() + options_.leave_grace, [this, node] { crash(node); });
    after(leaver);
}

void RingWorld::crash(size_t node) {
    if (!running(node)) return;
    fabric_.crash(node);
    end(*nodes_[node]);
}

void RingWorld::vanish(size_t node) {
    fabric_.vanish(node);
    end(*nodes_[node]);
}

void RingWorld::restart(size_t node) {
    crash(node);
    start(node);
}

void RingWorld::pause(size_t node) {
    if (!running(node)) return;
    fabric_.pause(node);
    set_live(node, false);
}

void RingWorld::resume(size_t node) {
    if (!running(node) || !fabric_.paused(node)) return;
    fabric_.resume(node);
    set_live(node, !nodes_[node]->leaving_);
}

void RingWorld::slow(size_t node, Usec per_event) { fabric_.slow(node, per_event); }

void RingWorld::end(Node& node) {
    node.ring_.reset();
    node.lookups_ = 0;
    node.leaving_ = false;
    set_live(node.index_, false);
}

void RingWorld::partition(const std::vector<std::vector<size_t>>& groups) { fabric_.partition(groups); }
void RingWorld::cut_one_way(size_t from, size_t to) { fabric_.cut_one_way(from, to); }
void RingWorld::heal() { fabric_.heal(); }
void RingWorld::set_network(const NetworkFaults& network) { fabric_.set_network(network); }

void RingWorld::run_for(Usec duration) { fabric_.run_until(now() + duration); }

bool RingWorld::run_until(Usec limit, const std::function<bool()>& done, Usec poll) {
    EDDY_ASSERT(poll > Usec{0});
    const Instant end = now() + limit;
    while (!done()) {
        if (now() >= end) return false;
        fabric_.run_until(std::min(now() + poll, end));
    }
    return true;
}

bool RingWorld::running(size_t node) const { return nodes_[node]->ring_ != nullptr; }

size_t RingWorld::owner(const NodeId& key) const {
    EDDY_ASSERT(!live_.empty());
    const auto at = std::lower_bound(live_.begin(), live_.end(), key,
                                     [this](size_t node, const NodeId& sought) { return ids_[node] < sought; });
    return at == live_.end() ? live_.front() : *at;
}

const ring::Ring& RingWorld::ring(size_t node) const {
    EDDY_ASSERT(running(node));
    return *nodes_[node]->ring_;
}

msg::Member RingWorld::member(size_t node) const { return nodes_[node]->member(fabric_.life(node)); }

void RingWorld::set_live(size_t node, bool live) {
    if (is_live_[node] == live) return;
    is_live_[node] = live;
    const auto at =
        std::lower_bound(live_.begin(), live_.end(), node, [this](size_t a, size_t b) { return ids_[a] < ids_[b]; });
    if (live)
        live_.insert(at, node);
    else
        live_.erase(at);
}

bool RingWorld::knows_neighbours(std::span<const size_t> circle, size_t rank) const {
    const size_t n = circle.size();
    const ring::Ring& ring = *nodes_[circle[rank]]->ring_;
    const auto predecessor = ring.predecessor();
    if (n == 1) return ring.successors().empty() && !predecessor;
    if (predecessor != ids_[circle[(rank + n - 1) % n]]) return false;
    const size_t known = std::min(options_.ring.list_max, n - 1);
    const auto& successors = ring.successors();
    if (successors.size() < known) return false;
    // In a ring that fits into the list nobody else may be in it, not even behind those who belong there.
    if (n <= options_.ring.list_max && successors.size() > known) return false;
    for (size_t i = 0; i < known; ++i)
        if (successors[i].id != ids_[circle[(rank + 1 + i) % n]]) return false;
    return true;
}

bool RingWorld::ideal() const {
    const size_t n = live_.size();
    if (suspect_ >= n) suspect_ = 0;
    for (size_t i = 0; i < n; ++i) {
        const size_t rank = (suspect_ + i) % n;
        if (knows_neighbours(live_, rank)) continue;
        suspect_ = rank;
        return false;
    }
    return true;
}

bool RingWorld::ideal(std::span<const size_t> nodes) const {
    std::vector<size_t> circle(nodes.begin(), nodes.end());
    std::sort(circle.begin(), circle.end(), [this](size_t a, size_t b) { return ids_[a] < ids_[b]; });
    for (size_t rank = 0; rank < circle.size(); ++rank)
        if (!live(circle[rank]) || !knows_neighbours(circle, rank)) return false;
    return true;
}

uint64_t RingWorld::lookup(size_t origin, const NodeId& key) {
    EDDY_ASSERT(running(origin));
    Node& node = *nodes_[origin];
    ++node.lookups_;
    const uint64_t number = node.ring_->lookup(key, now(), node);
    after(node);
    return number;
}

std::vector<RingWorld::ListInFlight> RingWorld::lists_in_flight() const {
    std::vector<ListInFlight> lists;
    fabric_.each_in_flight([&](const Delivery& delivery) {
        if (const auto* list = std::get_if<msg::Neighbours>(&delivery.message))
            lists.push_back({delivery.from, delivery.to, delivery.last_byte, *list});
    });
    std::sort(lists.begin(), lists.end(), [](const auto& a, const auto& b) {
        return std::tie(a.due, a.to, a.from, a.told.version) < std::tie(b.due, b.to, b.from, b.told.version);
    });
    return lists;
}

/// What is due after every call of a ring's.
void RingWorld::after(Node& node) {
    fabric_.set_timer(node.index_, 0, node.ring_->next_wakeup());
    if (node.lookups_ > 0) {
        for (auto& result : node.ring_->take_lookups()) {
            --node.lookups_;
            lookups_.push_back({node.index_, now() - result.took, std::move(result)});
        }
    }
    if (options_.check_rings) node.ring_->check_invariants();
    if (hook_) hook_(node.index_);
}

void RingWorld::on_peer_up(size_t node, size_t peer, uint64_t, uint32_t life) {
    nodes_[node]->ring_->on_peer_up(nodes_[peer]->member(life), now(), *nodes_[node]);
    after(*nodes_[node]);
}

void RingWorld::on_peer_down(size_t node, size_t peer, uint64_t, const std::string& reason) {
    nodes_[node]->ring_->on_peer_down(ids_[peer], reason, now(), *nodes_[node]);
    after(*nodes_[node]);
}

void RingWorld::on_dial_failed(size_t node, const Endpoint& endpoint, const std::string&) {
    nodes_[node]->ring_->on_dial_failed(endpoint, false, now(), *nodes_[node]);
    after(*nodes_[node]);
}

void RingWorld::on_message(size_t node, Delivery& delivery) {
    nodes_[node]->last_heard_ = delivery.from;
    nodes_[node]->ring_->on_message(ids_[delivery.from], delivery.message, now(), *nodes_[node]);
    after(*nodes_[node]);
}

void RingWorld::on_timer(size_t node, uint32_t) {
    nodes_[node]->ring_->tick(now(), *nodes_[node]);
    after(*nodes_[node]);
}

}  // namespace eddy::sim
