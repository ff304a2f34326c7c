#include "planner/edgeflow/blocks.hpp"

#include <algorithm>
#include <numeric>

namespace eddy::planner::edgeflow {

using graph::RowRange;
using graph::ValueRows;

namespace {

/// Some ten MB of what could be found again.
constexpr size_t shares_max = 50'000;

}  // namespace

size_t Blocks::Hash::operator()(const Key& key) const {
    uint64_t mixed = 0;
    for (const uint64_t part :
         {uint64_t{key.first} << 32 | key.last, uint64_t{key.begin} << 32 | key.end, uint64_t{key.lead}}) {
        mixed ^= part + 0x9e3779b97f4a7c15ULL + (mixed << 6) + (mixed >> 2);
        mixed *= 0xff51afd7ed558ccdULL;
        mixed ^= mixed >> 32;
    }
    return mixed;
}

RowRange Blocks::scaled(RowRange part, int64_t reference, int64_t rows) {
    const auto at = [&](int64_t bound) { return (2 * bound * rows + reference) / (2 * reference); };
    return {at(part.begin), at(part.end)};
}

const BlockFacts& Blocks::facts(uint32_t first, uint32_t last) {
    const uint64_t key = uint64_t{first} << 32 | last;
    const auto found = facts_.find(key);
    if (found != facts_.end()) return found->second;
    return facts_.emplace(key, find_facts(first, last)).first->second;
}

const Share& Blocks::share(uint32_t first, uint32_t last, RowRange rows, bool lead) {
    const Key key{first, last, static_cast<uint32_t>(rows.begin), static_cast<uint32_t>(rows.end),
                  lead && facts(first, last).any_whole};
    const auto found = shares_.find(key);
    if (found != shares_.end()) return found->second;
    return shares_.emplace(key, find_share(facts(first, last), rows, lead)).first->second;
}

void Blocks::trim() {
    if (shares_.size() > shares_max) shares_.clear();
}

BlockOutput Blocks::output_of(ValueId value, const std::vector<uint32_t>& operators) const {
    const auto& graph = problem_.graph();
    const uint32_t producer = graph.value(value).producer;
    const graph::RowRule& rule = problem_.rules()[producer];
    BlockOutput output{value, Sharing::whole, graph::row_count(graph.value(value)), value};
    if (rule.kind != graph::RowRule::Kind::reduction) {
        if (rule.divisible() && output.rows > 1) output.sharing = Sharing::divided;
        return output;
    }
    const auto uses = [&](uint32_t op) {
        const auto& inputs = graph.operators()[op].inputs;
        return std::find(inputs.begin(), inputs.end(), value) != inputs.end();
    };
    if (std::any_of(operators.begin(), operators.end(), uses)) return output;
    output.sharing = Sharing::partial;
    output.summed = graph.operators()[producer].inputs.front();
    output.rows = rule.inputs.front().rows;
    return output;
}

BlockFacts Blocks::find_facts(uint32_t first, uint32_t last) const {
    const auto& steps = problem_.steps();
    BlockFacts facts;
    facts.operators.resize(steps[last - 1].last - steps[first].first);
    std::iota(facts.operators.begin(), facts.operators.end(), steps[first].first);
    for (const ValueId value : problem_.graph().boundary_of(facts.operators).outputs) {
        const BlockOutput output = output_of(value, facts.operators);
        if (output.sharing != Sharing::whole) facts.reference_rows = std::max(facts.reference_rows, output.rows);
        facts.any_whole = facts.any_whole || output.sharing == Sharing::whole;
        facts.outputs.push_back(output);
    }
    for (const BlockOutput& output : facts.outputs)
        if (output.sharing == Sharing::partial)
            std::erase(facts.operators, problem_.graph().value(output.value).producer);
    return facts;
}

namespace {

/// Adds up what a share costs.
class Costs {
public:
    Costs(const Problem& problem, Share& share) : problem_(problem), share_(share) {
        share_.cost_us.assign(problem.profiles(), 0);
    }
    /// `rows`: of those that the step's time goes by.
    void operator_runs(uint32_t op, int64_t rows) {
        const uint32_t step = problem_.step_of(op);
        if (step != step_) finish();
        step_ = step;
        rows_ = std::max(rows_, rows);
        share_.weight_bytes += problem_.graph().operators()[op].weight_bytes;
    }
    /// Operators of a step are one to the processor: the most rows that one of them makes count.
    void finish() {
        if (rows_ == 0) return;
        share_.work.push_back({step_, static_cast<uint32_t>(rows_)});
        for (size_t profile = 0; profile < share_.cost_us.size(); ++profile)
            share_.cost_us[profile] += problem_.step_us(profile, step_, rows_);
        rows_ = 0;
    }

private:
    const Problem& problem_;
    Share& share_;
    uint32_t step_ = 0;
    int64_t rows_ = 0;
};

void add_rows(std::vector<ValueRows>& list, ValueRows more) {
    if (more.rows.empty()) return;
    const auto at = std::lower_bound(list.begin(), list.end(), more,
                                     [](const ValueRows& a, const ValueRows& b) { return a.value < b.value; });
    if (at != list.end() && at->value == more.value)
        at->rows = hull(at->rows, more.rows);
    else
        list.insert(at, more);
}

/// The most bytes of what operators make that are needed at a time, if they run in their order: each value from where
/// it is made to where it is read last, outputs to the end.
uint64_t most_at_a_time(const Problem& problem, const BlockFacts& facts, const graph::BlockRows& walked) {
    const auto& graph = problem.graph();
    const size_t places = facts.operators.size();
    std::vector<size_t> last_read(graph.values().size(), 0);
    for (size_t place = 0; place < places; ++place)
        if (!walked.operators[place].empty())
            for (const ValueId id : graph.operators()[facts.operators[place]].inputs) last_read[id.value] = place;
    for (const BlockOutput& output : facts.outputs) last_read[output.value.value] = places - 1;
    std::vector<uint64_t> begins(places), ends(places);
    for (const ValueRows& made : walked.made) {
        const auto at =
            std::lower_bound(facts.operators.begin(), facts.operators.end(), graph.value(made.value).producer);
        const auto place = static_cast<size_t>(at - facts.operators.begin());
        const uint64_t bytes = problem.row_bytes(made.value) * static_cast<uint64_t>(made.rows.size());
        begins[place] += bytes;
        ends[std::max(place, last_read[made.value.value])] += bytes;
    }
    uint64_t now = 0;
    uint64_t most = 0;
    for (size_t place = 0; place < places; ++place) {
        now += begins[place];
        most = std::max(most, now);
        now -= ends[place];
    }
    return most;
}

}  // namespace

Share Blocks::find_share(const BlockFacts& facts, RowRange rows, bool lead) const {
    Share share;
    Costs costs(problem_, share);
    if (rows.empty()) return share;
    const auto& graph = problem_.graph();
    std::vector<ValueRows> wanted;
    std::vector<ValueRows> sums;
    for (const BlockOutput& output : facts.outputs) {
        if (output.sharing == Sharing::whole) {
            if (lead) add_rows(wanted, {output.value, {0, output.rows}});
            continue;
        }
        const RowRange part = scaled(rows, facts.reference_rows, output.rows);
        if (output.sharing == Sharing::divided) add_rows(wanted, {output.value, part});
        if (output.sharing == Sharing::divided || part.empty()) continue;
        sums.push_back({output.value, part});
        const uint32_t producer = graph.value(output.summed).producer;
        const bool inside = std::binary_search(facts.operators.begin(), facts.operators.end(), producer);
        const bool undivided = inside && !problem_.rules()[producer].divisible();
        const RowRange all{0, output.rows};
        add_rows(inside ? wanted : share.inputs, {output.summed, undivided ? all : part});
    }
    // Every range above lies in its value and whole outputs are wanted whole, so the walk cannot fail.
    const auto walked = graph::block_rows(graph, problem_.rules(), facts.operators, wanted);
    EDDY_ASSERT(walked.ok());
    for (const ValueRows& input : walked->inputs) add_rows(share.inputs, input);
    for (const ValueRows& made : walked->made) {
        const auto is_made = [&](const BlockOutput& output) { return output.value == made.value; };
        if (std::any_of(facts.outputs.begin(), facts.outputs.end(), is_made)) add_rows(share.outputs, made);
    }
    share.workspace_bytes = most_at_a_time(problem_, facts, *walked);
    for (const ValueRows& input : share.inputs)
        share.workspace_bytes += problem_.row_bytes(input.value) * static_cast<uint64_t>(input.rows.size());
    for (size_t place = 0; place < facts.operators.size(); ++place) {
        const RowRange made = walked->operators[place];
        if (made.empty()) continue;
        const graph::RowStep& step = problem_.steps()[problem_.step_of(facts.operators[place])];
        costs.operator_runs(facts.operators[place], step.kind == graph::RowStep::Kind::rows ? made.size() : step.rows);
    }
    costs.finish();
    for (const ValueRows& sum : sums) {
        costs.operator_runs(graph.value(sum.value).producer, sum.rows.size());
        costs.finish();
        add_rows(share.outputs, sum);
    }
    std::sort(share.work.begin(), share.work.end(), [](StepRows a, StepRows b) { return a.step < b.step; });
    return share;
}

}  // namespace eddy::planner::edgeflow
