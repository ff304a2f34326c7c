#include "planner/edgeflow/units.hpp"

#include <algorithm>
#include <memory_resource>

namespace eddy::planner::edgeflow {

using graph::RowRange;
using graph::ValueRows;

namespace {

RowRange common(RowRange a, RowRange b) {
    const RowRange both{std::max(a.begin, b.begin), std::min(a.end, b.end)};
    return both.empty() ? RowRange{} : both;
}

/// The least number of reference rows from one end of a part whose scaled rows hold `rows` of the output's.
int64_t reference_rows_for(RowRange part, int64_t reference, int64_t output_rows, RowRange rows, bool from_top) {
    // Blocks::scaled turned round: the least bound whose image is not below, the greatest whose image is not above.
    const auto ceil_div = [](int64_t a, int64_t b) { return (a + b - 1) / b; };
    const int64_t count = from_top ? ceil_div(reference * (2 * rows.end - 1), 2 * output_rows) - part.begin
                                   : part.end - (ceil_div(reference * (2 * rows.begin + 1), 2 * output_rows) - 1);
    return std::clamp<int64_t>(count, 0, part.size());
}

class Assembly {
public:
    Assembly(Blocks& blocks, const Plan& plan)
        : blocks_(blocks),
          problem_(blocks.problem()),
          plan_(plan),
          values_(problem_.graph().values().size()),
          owned_(values_, &arena_),
          held_(values_ * problem_.devices(), &arena_),
          wishes_(&arena_),
          partial_(values_, false, &arena_),
          lacking_(&arena_) {}

    UnitGraph run() {
        made_.memory.resize(problem_.devices());
        note_boundary_needs();
        capture();
        for (uint32_t block = 0; block < plan_.blocks.size(); ++block)
            for (uint32_t device = 0; device < problem_.devices(); ++device) add_device(block, device);
        result();
        leave_out_needless();
        return std::move(made_);
    }

private:
    struct Owned {
        RowRange rows;
        uint32_t unit = 0;
    };
    struct Held {
        RowRange rows;
        bool remote = false;
        uint32_t from = 0;
    };
    struct Wish {
        uint32_t device = 0;
        RowRange rows;
    };

    std::pmr::vector<Held>& held(size_t device, ValueId value) { return held_[device * values_ + value.value]; }

    /// Where boundaries go first, who needs what of a value is asked before its units are made.
    void note_boundary_needs() {
        const auto goes_first = [](const Block& block) { return block.boundary_first; };
        if (std::none_of(plan_.blocks.begin(), plan_.blocks.end(), goes_first)) return;
        wishes_.resize(values_);
        for (const Block& block : plan_.blocks)
            for (uint32_t device = 0; device < problem_.devices(); ++device) {
                if (block.part(device).empty()) continue;
                for (const ValueRows& input : blocks_.share(block, device).inputs)
                    wishes_[input.value.value].push_back({device, input.rows});
            }
        for (const ValueId output : problem_.graph().outputs())
            wishes_[output.value].push_back({static_cast<uint32_t>(problem_.source()), {0, INT64_MAX}});
    }

    void capture() {
        Unit unit;
        unit.device = static_cast<uint32_t>(problem_.source());
        made_.units.push_back(unit);
        for (const ValueId input : problem_.graph().inputs()) {
            const RowRange all{0, graph::row_count(problem_.graph().value(input))};
            owned_[input.value].push_back({all, 0});
            held(unit.device, input).push_back({all, false, 0});
            made_.memory[unit.device].held_bytes += problem_.graph().value(input).bytes;
        }
    }

    void result() {
        Unit unit;
        unit.block = static_cast<uint32_t>(plan_.blocks.size());
        unit.device = static_cast<uint32_t>(problem_.source());
        made_.units.push_back(unit);
        for (const ValueId output : problem_.graph().outputs())
            provide(static_cast<uint32_t>(made_.units.size()) - 1, {output, all_rows(output)});
    }

    /// Of a partial output: all rows that were summed.
    [[nodiscard]] RowRange all_rows(ValueId value) const {
        int64_t rows = 0;
        for (const Owned& each : owned_[value.value]) rows = std::max(rows, each.rows.end);
        return {0, rows};
    }

    void add_device(uint32_t index, uint32_t device) {
        const Block& block = plan_.blocks[index];
        const RowRange part = block.part(device);
        if (part.empty()) return;
        made_.memory[device].weight_bytes += blocks_.share(block, device).weight_bytes;
        const bool lead = block.lead() == device;
        const auto parts = parts_of(block, device);
        for (size_t i = 0; i < parts.size(); ++i) add_unit(index, device, parts[i], lead && i + 1 == parts.size());
    }

    /// Top, bottom and the rest, if boundaries go first and there is a rest.
    std::vector<RowRange> parts_of(const Block& block, uint32_t device) {
        const RowRange part = block.part(device);
        if (!block.boundary_first) return {part};
        const BlockFacts& facts = blocks_.facts(block.first, block.last);
        int64_t top = 0;
        int64_t bottom = 0;
        for (const BlockOutput& output : facts.outputs) {
            if (output.sharing == Sharing::partial) return {part};
            if (output.sharing == Sharing::whole) continue;
            const RowRange own = Blocks::scaled(part, facts.reference_rows, output.rows);
            for (const Wish& wish : wishes_[output.value.value]) {
                const RowRange rows = common(own, wish.rows);
                if (wish.device == device || rows.empty()) continue;
                int64_t& side = wish.device < device ? top : bottom;
                side = std::max(
                    side, reference_rows_for(part, facts.reference_rows, output.rows, rows, wish.device < device));
            }
        }
        if (top + bottom >= part.size()) return {part};
        std::vector<RowRange> parts{
            {part.begin, part.begin + top}, {part.end - bottom, part.end}, {part.begin + top, part.end - bottom}};
        std::erase_if(parts, [](RowRange rows) { return rows.empty(); });
        return parts;
    }

    void add_unit(uint32_t index, uint32_t device, RowRange part, bool lead) {
        const Block& block = plan_.blocks[index];
        const Share& share = blocks_.share(block.first, block.last, part, lead);
        const BlockFacts& facts = blocks_.facts(block.first, block.last);
        const Device& on = problem_.device(device);
        Unit unit;
        unit.block = index;
        unit.device = device;
        unit.part = part;
        unit.lead = lead;
        const auto number = static_cast<uint32_t>(made_.units.size());
        made_.units.push_back(std::move(unit));
        auto& workspace = made_.memory[device].workspace_bytes;
        workspace = std::max(workspace, share.workspace_bytes);
        for (const ValueRows& input : share.inputs) {
            const bool partial = partial_[input.value.value];
            const size_t before = made_.units[number].needs.size();
            provide(number, {input.value, partial ? all_rows(input.value) : input.rows});
            if (made_.units[number].needs.size() > before + 1)
                made_.units[number].gathered_bytes += problem_.row_bytes(input.value) * rows_counted(input);
        }
        made_.units[number].cost_us =
            problem_.unit_us(on, share.cost_us[on.profile], made_.units[number].gathered_bytes);
        // Windows in padding alone need nothing, but somebody must say that there is a frame.
        if (share.inputs.empty()) provide(number, {problem_.graph().inputs().front(), {0, 1}});
        for (const ValueRows& output : share.outputs)
            held(device, output.value).push_back({output.rows, false, number});
        for (const BlockOutput& output : facts.outputs) {
            const bool whole = output.sharing == Sharing::whole;
            if (whole && !lead) continue;
            const RowRange rows =
                whole ? RowRange{0, output.rows} : Blocks::scaled(part, facts.reference_rows, output.rows);
            if (!rows.empty()) owned_[output.value.value].push_back({rows, number});
            if (output.sharing == Sharing::partial) partial_[output.value.value] = true;
        }
        for (const ValueRows& output : share.outputs)
            made_.memory[device].held_bytes += problem_.row_bytes(output.value) * rows_counted(output);
    }

    /// What the device has is used; the rest comes from who owns it.
    void provide(uint32_t unit, ValueRows wanted) {
        const uint32_t device = made_.units[unit].device;
        lacking_.assign(1, wanted.rows);
        for (const Held& each : held(device, wanted.value)) {
            if (lacking_.empty()) return;
            take(each.rows, [&](RowRange rows) {
                made_.units[unit].needs.push_back({wanted.value, rows, each.remote, each.from});
            });
        }
        for (const Owned& each : owned_[wanted.value.value]) {
            if (lacking_.empty()) return;
            take(each.rows, [&](RowRange rows) {
                const uint32_t message = bring(each.unit, made_.units[unit].block, device, {wanted.value, rows});
                made_.units[unit].needs.push_back({wanted.value, rows, true, message});
                held(device, wanted.value).push_back({rows, true, message});
            });
        }
        EDDY_ASSERT(lacking_.empty());
    }

    template <class Use>
    void take(RowRange rows, Use use) {
        for (size_t i = 0; i < lacking_.size(); ++i) {
            const RowRange piece = lacking_[i];
            const RowRange both = common(piece, rows);
            if (both.empty()) continue;
            use(both);
            const RowRange above{piece.begin, both.begin};
            const RowRange below{both.end, piece.end};
            lacking_.erase(lacking_.begin() + static_cast<std::ptrdiff_t>(i));
            for (const RowRange rest : {below, above})
                if (!rest.empty()) lacking_.insert(lacking_.begin() + static_cast<std::ptrdiff_t>(i), rest);
            --i;
        }
    }

    uint32_t bring(uint32_t from, uint32_t block, uint32_t to, ValueRows rows) {
        auto& sent = made_.units[from].messages;
        const auto known = std::find_if(sent.begin(), sent.end(), [&](uint32_t index) {
            return made_.messages[index].to == to && made_.messages[index].block == block;
        });
        uint32_t index = 0;
        if (known != sent.end()) {
            index = *known;
        } else {
            index = static_cast<uint32_t>(made_.messages.size());
            sent.push_back(index);
            made_.messages.push_back({from, to, block, {}, 0});
        }
        Message& message = made_.messages[index];
        const uint64_t bytes = problem_.row_bytes(rows.value) * rows_counted(rows);
        message.bytes += bytes;
        made_.memory[to].held_bytes += bytes;
        message.rows.push_back(rows);
        return index;
    }

    /// A partial sum is as large as the whole, whatever was summed.
    [[nodiscard]] uint64_t rows_counted(const ValueRows& rows) const {
        return partial_[rows.value.value] ? 1 : static_cast<uint64_t>(rows.rows.size());
    }

    /// A device may own rows that nobody reads (a stride passes over them), and nothing else of a block.
    void leave_out_needless() {
        std::vector<bool> needed(made_.units.size(), false);
        needed.front() = needed.back() = true;
        for (size_t unit = made_.units.size(); unit-- > 0;)
            if (needed[unit])
                for (const Need& need : made_.units[unit].needs)
                    needed[need.remote ? made_.messages[need.from].unit : need.from] = true;
        if (std::find(needed.begin(), needed.end(), false) == needed.end()) return;
        std::vector<uint32_t> unit_now(needed.size(), 0);
        std::vector<uint32_t> message_now(made_.messages.size(), 0);
        std::vector<bool> read(made_.messages.size(), false);
        UnitGraph kept;
        kept.memory = made_.memory;
        for (size_t unit = 0; unit < needed.size(); ++unit) {
            if (!needed[unit]) continue;
            unit_now[unit] = static_cast<uint32_t>(kept.units.size());
            kept.units.push_back(std::move(made_.units[unit]));
            for (const Need& need : kept.units.back().needs)
                if (need.remote) read[need.from] = true;
        }
        for (size_t index = 0; index < made_.messages.size(); ++index) {
            Message& message = made_.messages[index];
            if (!read[index]) continue;  // only by who is left out
            message_now[index] = static_cast<uint32_t>(kept.messages.size());
            message.unit = unit_now[message.unit];
            kept.messages.push_back(std::move(message));
        }
        for (Unit& unit : kept.units) {
            std::erase_if(unit.messages, [&](uint32_t index) { return !read[index]; });
            for (uint32_t& message : unit.messages) message = message_now[message];
        }
        for (Unit& unit : kept.units)
            for (Need& need : unit.needs) need.from = need.remote ? message_now[need.from] : unit_now[need.from];
        made_ = std::move(kept);
    }

    /// Planners judge thousands of plans: what is gone with this object is not worth the allocator's time.
    std::pmr::monotonic_buffer_resource arena_{size_t{128} << 10};
    Blocks& blocks_;
    const Problem& problem_;
    const Plan& plan_;
    size_t values_;
    UnitGraph made_;
    std::pmr::vector<std::pmr::vector<Owned>> owned_;  ///< by value; disjoint, together everything
    std::pmr::vector<std::pmr::vector<Held>> held_;    ///< by device and value; may overlap
    std::pmr::vector<std::pmr::vector<Wish>> wishes_;  ///< by value
    std::pmr::vector<bool> partial_;                   ///< by value
    std::pmr::vector<RowRange> lacking_;
};

}  // namespace

Status check_plan(Blocks& blocks, const Plan& plan) {
    const Problem& problem = blocks.problem();
    uint32_t next = 0;
    for (const Block& block : plan.blocks) {
        if (block.first != next || block.last <= block.first || block.last > problem.step_count())
            return invalid("the blocks of a plan leave out steps, overlap, or go beyond the model");
        next = block.last;
        const std::string at = "steps " + std::to_string(block.first) + " to " + std::to_string(block.last) + ": ";
        const int64_t rows = blocks.facts(block.first, block.last).reference_rows;
        if (block.bounds.size() != problem.devices() + 1 || block.bounds.front() != 0 || block.bounds.back() != rows)
            return invalid(at + "the split is not one of " + std::to_string(rows) + " rows over " +
                           std::to_string(problem.devices()) + " devices");
        for (size_t device = 0; device < problem.devices(); ++device) {
            const RowRange part = block.part(device);
            if (part.begin > part.end) return invalid(at + "the bounds of a split descend");
            if (!part.empty() && !problem.device(device).has_model)
                return invalid(at + problem.device(device).name + " has not the model");
        }
    }
    if (next != problem.step_count()) return invalid("the blocks of a plan leave out the last steps");
    return success();
}

UnitGraph units_of(Blocks& blocks, const Plan& plan) { return Assembly(blocks, plan).run(); }

}  // namespace eddy::planner::edgeflow
