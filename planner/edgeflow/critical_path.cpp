#include "planner/edgeflow/critical_path.hpp"

#include <algorithm>

namespace eddy::planner::edgeflow {

namespace {

/// Times that were added up in another order may differ by this much and are the same all the same.
constexpr double same_us = 1e-6;

class Walk {
public:
    Walk(const UnitGraph& graph, const Timeline& timeline) : graph_(graph), timeline_(timeline) {}

    std::vector<PathPiece> run() {
        at_us_ = timeline_.latency_us;
        through_unit(static_cast<uint32_t>(graph_.units.size()) - 1);
        while (next_ != Next::none) {
            if (next_ == Next::unit)
                through_unit(index_);
            else
                through_message(index_);
        }
        if (at_us_ > same_us) add(PathPiece::What::handling, graph_.units.front().device, 0, 0);
        std::reverse(path_.begin(), path_.end());
        return std::move(path_);
    }

private:
    enum class Next { none, unit, message };

    void through_unit(uint32_t index) {
        const Unit& unit = graph_.units[index];
        add(PathPiece::What::computing, unit.device, unit.block, timeline_.units[index].begin_us);
        choose();
        for (const Need& need : unit.needs)
            if (need.remote)
                offer(Next::message, need.from, timeline_.messages[need.from].end_us);
            else
                offer(Next::unit, need.from, timeline_.units[need.from].end_us);
        offer_units_of(unit.device, index);
        handle_until(unit.device, unit.block);
    }

    void through_message(uint32_t index) {
        const Message& message = graph_.messages[index];
        const uint32_t from = graph_.units[message.unit].device;
        add(PathPiece::What::transferring, from, message.block, timeline_.messages[index].begin_us, message.to);
        choose();
        offer(Next::unit, message.unit, timeline_.units[message.unit].end_us);
        for (uint32_t other = 0; other < graph_.messages.size(); ++other) {
            const bool same_port =
                graph_.messages[other].to == message.to || graph_.units[graph_.messages[other].unit].device == from;
            if (other != index && same_port && timeline_.messages[other].begin_us < timeline_.messages[index].begin_us)
                offer(Next::message, other, timeline_.sent_us[other]);
        }
        handle_until(from, message.block);
    }

    void offer_units_of(uint32_t device, uint32_t but) {
        for (uint32_t other = 0; other < graph_.units.size(); ++other)
            if (other != but && graph_.units[other].device == device &&
                timeline_.units[other].begin_us < timeline_.units[but].begin_us)
                offer(Next::unit, other, timeline_.units[other].end_us);
    }

    void choose() {
        next_ = Next::none;
        latest_us_ = -1;
    }
    /// The last that ended before is what was waited for.
    void offer(Next kind, uint32_t index, double end_us) {
        if (end_us > at_us_ + same_us || end_us <= latest_us_) return;
        next_ = kind;
        index_ = index;
        latest_us_ = end_us;
    }
    void handle_until(uint32_t device, uint32_t block) {
        if (next_ != Next::none && latest_us_ + same_us < at_us_)
            add(PathPiece::What::handling, device, block, latest_us_);
    }

    void add(PathPiece::What what, uint32_t from, uint32_t block, double begin_us) {
        add(what, from, block, begin_us, from);
    }
    void add(PathPiece::What what, uint32_t from, uint32_t block, double begin_us, uint32_t to) {
        if (at_us_ > begin_us) path_.push_back({what, from, to, block, begin_us, at_us_});
        at_us_ = std::min(at_us_, begin_us);
    }

    const UnitGraph& graph_;
    const Timeline& timeline_;
    std::vector<PathPiece> path_;
    double at_us_ = 0;
    Next next_ = Next::none;
    uint32_t index_ = 0;
    double latest_us_ = -1;
};

}  // namespace

std::vector<PathPiece> critical_path(const UnitGraph& graph, const Timeline& timeline) {
    return Walk(graph, timeline).run();
}

}  // namespace eddy::planner::edgeflow
