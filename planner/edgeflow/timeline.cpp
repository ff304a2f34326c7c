#include "planner/edgeflow/timeline.hpp"

#include <algorithm>
#include <memory_resource>
#include <queue>

#include "eddy/assert.hpp"

namespace eddy::planner::edgeflow {

namespace {

constexpr uint32_t nothing = UINT32_MAX;

/// Who waits for what, as lists one behind the other.
struct Waiters {
    explicit Waiters(std::pmr::memory_resource* arena) : begin(arena), unit(arena) {}
    std::pmr::vector<uint32_t> begin;
    std::pmr::vector<uint32_t> unit;

    /// `pairs`: (what is waited for, unit), any order, each once.
    void build(size_t count, std::pmr::vector<std::pair<uint32_t, uint32_t>>& pairs) {
        std::sort(pairs.begin(), pairs.end());
        pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
        begin.assign(count + 1, 0);
        for (const auto& [what, who] : pairs) {
            ++begin[what + 1];
            unit.push_back(who);
        }
        for (size_t i = 0; i < count; ++i) begin[i + 1] += begin[i];
    }
};

class Run {
public:
    Run(const Problem& problem, const UnitGraph& graph)
        : problem_(problem),
          graph_(graph),
          lanes_(problem.devices()),
          waits_(graph.units.size(), 0, &arena_),
          after_unit_(&arena_),
          after_message_(&arena_),
          pending_(&arena_),
          events_(std::greater<>(), std::pmr::vector<Event>(&arena_)) {
        made_.units.resize(graph.units.size());
        made_.messages.resize(graph.messages.size());
        made_.sent_us.resize(graph.messages.size());
        made_.compute_us.resize(problem.devices(), 0);
        std::pmr::vector<std::pair<uint32_t, uint32_t>> local(&arena_);
        std::pmr::vector<std::pair<uint32_t, uint32_t>> remote(&arena_);
        for (uint32_t unit = 0; unit < graph.units.size(); ++unit)
            for (const Need& need : graph.units[unit].needs)
                (need.remote ? remote : local).emplace_back(need.from, unit);
        after_unit_.build(graph.units.size(), local);
        after_message_.build(graph.messages.size(), remote);
        for (const Waiters* waiters : {&after_unit_, &after_message_})
            for (const uint32_t unit : waiters->unit) ++waits_[unit];
    }

    Timeline run() {
        for (uint32_t unit = 0; unit < graph_.units.size(); ++unit)
            if (waits_[unit] == 0) lanes_[graph_.units[unit].device].ready.push(unit);
        for (uint32_t device = 0; device < lanes_.size(); ++device) start_unit(device);
        while (!events_.empty()) {
            const Event event = events_.top();
            events_.pop();
            now_ = event.at_us;
            handle(event);
        }
        made_.latency_us = made_.units.back().end_us;
        EDDY_ASSERT(done_ == graph_.units.size());
        return std::move(made_);
    }

private:
    enum class What : uint8_t { unit_done, lane_free, message_ready, message_sent, message_arrived, message_taken };
    struct Event {
        double at_us = 0;
        uint64_t order = 0;
        What what = What::lane_free;
        uint32_t which = 0;  ///< device or message
        bool operator>(const Event& other) const {
            return at_us != other.at_us ? at_us > other.at_us : order > other.order;
        }
    };
    struct Lane {
        uint32_t running = nothing;
        double until_us = 0;  ///< of the unit that runs, or of handling messages
        double sends_until_us = 0;
        double receives_until_us = 0;
        std::priority_queue<uint32_t, std::vector<uint32_t>, std::greater<>> ready;
    };

    void at(double at_us, What what, uint32_t which) { events_.push({at_us, ++order_, what, which}); }
    Lane& lane_of(uint32_t unit) { return lanes_[graph_.units[unit].device]; }

    void handle(const Event& event) {
        switch (event.what) {
            case What::unit_done: return unit_done(event.which);
            case What::lane_free: return start_unit(event.which);
            case What::message_ready: pending_.push_back(event.which); return send();
            case What::message_sent: return send();
            case What::message_arrived: return receive(event.which);
            case What::message_taken: return release(after_message_, event.which);
        }
    }

    void start_unit(uint32_t device) {
        Lane& lane = lanes_[device];
        if (lane.running != nothing || lane.ready.empty()) return;
        if (lane.until_us > now_) return;  // it will be asked again then
        lane.running = lane.ready.top();
        lane.ready.pop();
        const double cost_us = graph_.units[lane.running].cost_us;
        made_.units[lane.running].begin_us = now_;
        made_.compute_us[device] += cost_us;
        lane.until_us = now_ + cost_us;
        at(lane.until_us, What::unit_done, device);
    }

    void unit_done(uint32_t device) {
        Lane& lane = lanes_[device];
        if (lane.until_us > now_) return at(lane.until_us, What::unit_done, device);  // messages took their time
        const uint32_t unit = lane.running;
        made_.units[unit].end_us = now_;
        lane.running = nothing;
        ++done_;
        for (const uint32_t message : graph_.units[unit].messages) {
            occupy(device, problem_.message().of(graph_.messages[message].bytes));
            at(lane.until_us, What::message_ready, message);
        }
        release(after_unit_, unit);
        start_unit(device);
    }

    /// The processor is busy with messages for so long, before anything else that begins.
    void occupy(uint32_t device, double for_us) {
        Lane& lane = lanes_[device];
        lane.until_us = std::max(lane.until_us, now_) + for_us;
        if (lane.running == nothing) at(lane.until_us, What::lane_free, device);
    }

    void release(const Waiters& waiters, uint32_t what) {
        for (uint32_t i = waiters.begin[what]; i < waiters.begin[what + 1]; ++i) {
            const uint32_t unit = waiters.unit[i];
            if (--waits_[unit] != 0) continue;
            lane_of(unit).ready.push(unit);
            start_unit(graph_.units[unit].device);
        }
    }

    void send() {
        std::erase_if(pending_, [&](uint32_t index) {
            const Message& message = graph_.messages[index];
            const uint32_t from = graph_.units[message.unit].device;
            if (lanes_[from].sends_until_us > now_ || lanes_[message.to].receives_until_us > now_) return false;
            const Link& link = problem_.link(from, message.to);
            const double end_us = now_ + static_cast<double>(message.bytes) / link.bytes_per_us;
            lanes_[from].sends_until_us = end_us;
            lanes_[message.to].receives_until_us = end_us;
            made_.messages[index] = {now_, end_us + link.delay_us};
            made_.sent_us[index] = end_us;
            made_.bytes += message.bytes;
            at(end_us, What::message_sent, index);
            at(end_us + link.delay_us, What::message_arrived, index);
            return true;
        });
    }

    void receive(uint32_t index) {
        const Message& message = graph_.messages[index];
        const double cost_us = problem_.message().of(message.bytes);
        const Lane& lane = lanes_[message.to];
        const bool computes = lane.running != nothing;
        occupy(message.to, cost_us);
        // A unit that runs gives way, and nothing else begins before it ends, later by as much.
        at(computes ? now_ + cost_us : lane.until_us, What::message_taken, index);
    }

    /// See units.cpp.
    std::pmr::monotonic_buffer_resource arena_{size_t{64} << 10};
    const Problem& problem_;
    const UnitGraph& graph_;
    std::vector<Lane> lanes_;
    std::pmr::vector<uint32_t> waits_;  ///< by unit: how many units and messages it still waits for
    Waiters after_unit_;
    Waiters after_message_;
    std::pmr::vector<uint32_t> pending_;  ///< messages that wait for ports, in order
    std::priority_queue<Event, std::pmr::vector<Event>, std::greater<>> events_;
    uint64_t order_ = 0;
    size_t done_ = 0;
    double now_ = 0;
    Timeline made_;
};

}  // namespace

Timeline simulate(const Problem& problem, const UnitGraph& graph) { return Run(problem, graph).run(); }

}  // namespace eddy::planner::edgeflow
