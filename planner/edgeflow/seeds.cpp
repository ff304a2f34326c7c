#include "planner/edgeflow/seeds.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <memory>

#include "eddy/assert.hpp"
#include "planner/edgeflow/splits.hpp"

namespace eddy::planner::edgeflow {

using graph::RowRange;

namespace {

constexpr size_t all_groups_of_devices_max = 4;
constexpr size_t labels_of_one_group_max = 2;
constexpr uint32_t nowhere = UINT32_MAX;

/// Steps a block may have; any may go to the end.
constexpr std::array<uint32_t, 15> lengths{1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 26, 34, 44, 58};

using Times = std::array<double, devices_max>;

/// Who has which rows of a value since when.
struct Holding {
    bool partial = false;
    uint64_t row_bytes = 0;
    std::vector<int64_t> bounds;
    Times since_us{};
};

struct Clock {
    Times lane{};
    Times sends{};
    Times receives{};
    [[nodiscard]] double latest(size_t devices) const {
        return *std::max_element(lane.begin(), lane.begin() + static_cast<std::ptrdiff_t>(devices));
    }
};

using Live = std::vector<std::pair<ValueId, std::shared_ptr<const Holding>>>;

struct Label {
    Clock clock;
    Live live;
    Block block;
    size_t group = 0;
    uint32_t parent = nowhere;
    double latest_us = 0;
};

class Beam {
public:
    Beam(Blocks& blocks, size_t beam)
        : blocks_(blocks),
          problem_(blocks.problem()),
          beam_(beam),
          groups_(weight_sets(problem_)),
          at_(problem_.step_count() + 1) {
        for (const graph::RowStep& step : problem_.steps()) frontiers_.push_back(problem_.graph().frontier(step.last));
    }

    std::vector<Plan> run(size_t count) {
        begin();
        for (uint32_t position = 0; position < problem_.step_count(); ++position) {
            prune(position);
            for (const uint32_t label : at_[position]) extend_all(label, position);
        }
        return best(count);
    }

private:
    void begin() {
        Label label;
        for (const ValueId input : problem_.graph().inputs()) {
            auto holding = std::make_shared<Holding>();
            const int64_t rows = graph::row_count(problem_.graph().value(input));
            holding->row_bytes = problem_.row_bytes(input);
            for (size_t device = 0; device <= problem_.devices(); ++device)
                holding->bounds.push_back(device <= problem_.source() ? 0 : rows);
            label.live.emplace_back(input, std::move(holding));
        }
        labels_.push_back(std::move(label));
        at_[0].push_back(0);
    }

    /// The soonest labels, few of each group so that there is a choice.
    void prune(uint32_t position) {
        auto& here = at_[position];
        std::sort(here.begin(), here.end(), [&](uint32_t a, uint32_t b) {
            return std::pair(labels_[a].latest_us, a) < std::pair(labels_[b].latest_us, b);
        });
        std::vector<size_t> kept(groups_.size(), 0);
        std::erase_if(here, [&](uint32_t label) { return ++kept[labels_[label].group] > labels_of_one_group_max; });
        if (here.size() > beam_) here.resize(beam_);
    }

    void extend_all(uint32_t from, uint32_t position) {
        const uint32_t end = problem_.step_count();
        for (const uint32_t length : lengths) {
            if (position + length >= end) break;
            extend(from, position, position + length);
        }
        extend(from, position, end);
    }

    void extend(uint32_t from, uint32_t first, uint32_t last) {
        for (const auto& [group, block] : candidates(first, last)) {
            Clock clock = labels_[from].clock;
            for (size_t device = 0; device < problem_.devices(); ++device) make(from, block, device, clock);
            if (last == problem_.step_count()) clock = with_result(from, block, clock);
            const double latest_us = clock.latest(problem_.devices());
            if (hopeless(last, group, latest_us)) continue;
            at_[last].push_back(static_cast<uint32_t>(labels_.size()));
            labels_.push_back({clock, live_after(from, block, clock), block, group, from, latest_us});
        }
    }

    /// A block for each group of devices, but for those that come to the same split.
    const std::vector<std::pair<size_t, Block>>& candidates(uint32_t first, uint32_t last) {
        const auto [known, fresh] = candidates_.try_emplace({first, last});
        auto& found = known->second;
        for (size_t group = 0; fresh && group < groups_.size(); ++group) {
            Block block = block_by_weight(blocks_, first, last, groups_[group]);
            const auto same = [&](const auto& each) { return each.second == block; };
            if (std::none_of(found.begin(), found.end(), same)) found.emplace_back(group, std::move(block));
        }
        return found;
    }

    /// A label that prune() would not keep need not be written down.
    [[nodiscard]] bool hopeless(uint32_t position, size_t group, double latest_us) const {
        const auto& there = at_[position];
        const auto ahead = std::count_if(there.begin(), there.end(), [&](uint32_t label) {
            return labels_[label].group == group && labels_[label].latest_us <= latest_us;
        });
        return ahead >= static_cast<std::ptrdiff_t>(labels_of_one_group_max);
    }

    [[nodiscard]] static const Holding& holding_of(const Live& live, ValueId value) {
        const auto found =
            std::find_if(live.begin(), live.end(), [&](const auto& each) { return each.first == value; });
        EDDY_ASSERT(found != live.end());
        return *found->second;
    }

    /// Lets a device make its part of a block, once what it lacks has come.
    void make(uint32_t from, const Block& block, size_t device, Clock& clock) {
        if (block.part(device).empty()) return;
        const Share& share = blocks_.share(block, device);
        const double arrived_us = bring(labels_[from].live, share.inputs, device, labels_[from].clock, clock);
        const Device& on = problem_.device(device);
        clock.lane[device] = std::max(clock.lane[device], arrived_us) + problem_.unit_us(on, share.cost_us[on.profile]);
    }

    /// When all of `inputs` are at a device. `before`: when devices had made what they send.
    double bring(const Live& live, const std::vector<graph::ValueRows>& inputs, size_t to, const Clock& before,
                 Clock& clock) {
        std::array<uint64_t, devices_max> bytes{};
        Times ready_us{};
        for (const graph::ValueRows& input : inputs) {
            const Holding& holding = holding_of(live, input.value);
            for (size_t from = 0; from < problem_.devices(); ++from) {
                const RowRange has{holding.bounds[from], holding.bounds[from + 1]};
                const int64_t rows = holding.partial
                                         ? std::min<int64_t>(1, has.size())
                                         : std::min(has.end, input.rows.end) - std::max(has.begin, input.rows.begin);
                if (from == to || rows <= 0) continue;
                bytes[from] += holding.row_bytes * static_cast<uint64_t>(rows);
                ready_us[from] = std::max(ready_us[from], holding.since_us[from]);
            }
        }
        double arrived_us = 0;
        for (size_t from = 0; from < problem_.devices(); ++from) {
            if (bytes[from] == 0) continue;
            const double handling_us = problem_.message().of(bytes[from]);
            const Link& link = problem_.link(from, to);
            const double begin_us = std::max({ready_us[from] + handling_us, clock.sends[from], clock.receives[to]});
            const double end_us = begin_us + static_cast<double>(bytes[from]) / link.bytes_per_us;
            clock.sends[from] = clock.receives[to] = end_us;
            clock.lane[from] = std::max(clock.lane[from], before.lane[from] + handling_us);
            arrived_us = std::max(arrived_us, end_us + link.delay_us + handling_us);
        }
        return arrived_us;
    }

    Live live_after(uint32_t from, const Block& block, const Clock& clock) {
        const BlockFacts& facts = blocks_.facts(block.first, block.last);
        Live live;
        for (const ValueId value : frontiers_[block.last - 1]) {
            const auto made = std::find_if(facts.outputs.begin(), facts.outputs.end(),
                                           [&](const BlockOutput& output) { return output.value == value; });
            if (made != facts.outputs.end()) {
                live.emplace_back(value, holding_made(block, facts, *made, clock));
                continue;
            }
            const Live& before = labels_[from].live;
            const auto kept =
                std::find_if(before.begin(), before.end(), [&](const auto& each) { return each.first == value; });
            if (kept != before.end()) live.push_back(*kept);
        }
        return live;
    }

    std::shared_ptr<const Holding> holding_made(const Block& block, const BlockFacts& facts, const BlockOutput& output,
                                                const Clock& clock) {
        auto holding = std::make_shared<Holding>();
        holding->partial = output.sharing == Sharing::partial;
        holding->row_bytes = problem_.row_bytes(output.value);
        holding->since_us = clock.lane;
        const size_t lead = block.lead();
        for (size_t device = 0; device <= problem_.devices(); ++device) {
            const int64_t bound =
                output.sharing == Sharing::whole
                    ? (device <= lead ? 0 : output.rows)
                    : Blocks::scaled({block.bounds[device], block.bounds[device]}, facts.reference_rows, output.rows)
                          .begin;
            holding->bounds.push_back(bound);
        }
        return holding;
    }

    /// The outputs, brought to the source.
    Clock with_result(uint32_t from, const Block& block, const Clock& clock) {
        const Live live = live_after(from, block, clock);
        std::vector<graph::ValueRows> outputs;
        for (const auto& [value, holding] : live) outputs.push_back({value, {0, holding->bounds.back()}});
        Clock after = clock;
        const double arrived_us = bring(live, outputs, problem_.source(), clock, after);
        after.lane[problem_.source()] = std::max(after.lane[problem_.source()], arrived_us);
        return after;
    }

    std::vector<Plan> best(size_t count) {
        prune(problem_.step_count());
        std::vector<Plan> plans;
        for (const uint32_t last : at_[problem_.step_count()]) {
            if (plans.size() == count) break;
            Plan plan;
            for (uint32_t label = last; labels_[label].parent != nowhere; label = labels_[label].parent)
                plan.blocks.push_back(labels_[label].block);
            std::reverse(plan.blocks.begin(), plan.blocks.end());
            plans.push_back(std::move(plan));
        }
        return plans;
    }

    Blocks& blocks_;
    const Problem& problem_;
    size_t beam_;
    std::vector<std::vector<double>> groups_;
    std::vector<Label> labels_;
    std::vector<std::vector<uint32_t>> at_;        ///< by position: labels
    std::vector<std::vector<ValueId>> frontiers_;  ///< by step: behind it
    std::map<std::pair<uint32_t, uint32_t>, std::vector<std::pair<size_t, Block>>> candidates_;
};

}  // namespace

std::vector<std::vector<double>> weight_sets(const Problem& problem) {
    const std::vector<double> speed = speeds(problem);
    std::vector<size_t> able;  // the fastest first
    for (size_t i = 0; i < speed.size(); ++i)
        if (speed[i] > 0) able.push_back(i);
    std::stable_sort(able.begin(), able.end(), [&](size_t a, size_t b) { return speed[a] > speed[b]; });
    std::vector<std::vector<double>> sets;
    const auto add = [&](const std::vector<size_t>& members) {
        std::vector<double> weights(speed.size(), 0);
        for (const size_t member : members) weights[member] = speed[member];
        if (std::find(sets.begin(), sets.end(), weights) == sets.end()) sets.push_back(std::move(weights));
    };
    if (able.size() <= all_groups_of_devices_max) {
        for (uint32_t mask = 1; mask < 1U << able.size(); ++mask) {
            std::vector<size_t> members;
            for (size_t i = 0; i < able.size(); ++i)
                if ((mask >> i & 1U) != 0) members.push_back(able[i]);
            add(members);
        }
        return sets;
    }
    std::vector<size_t> fastest;
    for (const size_t device : able) {
        add({device});
        fastest.push_back(device);
        add(fastest);
        auto with_source = fastest;
        if (speed[problem.source()] > 0) with_source.push_back(problem.source());
        add(with_source);
    }
    return sets;
}

std::vector<Plan> seed_plans(Blocks& blocks, size_t beam, size_t count) { return Beam(blocks, beam).run(count); }

}  // namespace eddy::planner::edgeflow
