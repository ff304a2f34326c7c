#include "planner/edgeflow/moves.hpp"

#include <algorithm>
#include <array>

#include "planner/edgeflow/splits.hpp"

namespace eddy::planner::edgeflow {

namespace {

constexpr std::array<int32_t, 4> bound_steps{1, -1, 3, -3};   ///< rows
constexpr std::array<int32_t, 4> border_steps{1, -1, 2, -2};  ///< steps

}  // namespace

std::vector<Move> Moves::all(const Plan& plan) const {
    using Kind = Move::Kind;
    std::vector<Move> moves;
    const auto devices = static_cast<uint32_t>(blocks_.problem().devices());
    for (uint32_t b = 0; b < plan.blocks.size(); ++b) {
        const Block& block = plan.blocks[b];
        for (uint32_t bound = 1; bound < devices; ++bound)
            for (const int32_t by : bound_steps) moves.push_back({Kind::bound, b, bound, by});
        for (uint32_t set = 0; set < weights_.size(); ++set) moves.push_back({Kind::split, b, set, 0});
        moves.push_back({Kind::like_before, b, 0, 0});
        moves.push_back({Kind::boundary, b, 0, 0});
        for (uint32_t after = 1; after < block.last - block.first; ++after) moves.push_back({Kind::part, b, after, 0});
        for (const uint32_t which : {0U, 1U}) moves.push_back({Kind::join, b, which, 0});
        for (const int32_t by : border_steps) moves.push_back({Kind::shift, b, 0, by});
    }
    return moves;
}

Move Moves::any(const Plan& plan, Random& random) const {
    using Kind = Move::Kind;
    // Each as often as it is here.
    static constexpr std::array kinds{Kind::bound, Kind::bound,       Kind::bound, Kind::bound, Kind::bound,
                                      Kind::bound, Kind::shift,       Kind::shift, Kind::split, Kind::join,
                                      Kind::part,  Kind::boundary,    Kind::bound, Kind::bound, Kind::bound,
                                      Kind::bound, Kind::like_before, Kind::split};
    Move move;
    move.kind = kinds[random.below(kinds.size())];
    move.block = static_cast<uint32_t>(random.below(plan.blocks.size()));
    const Block& block = plan.blocks[move.block];
    const auto index_below = [&](uint64_t count) {
        return static_cast<uint32_t>(random.below(std::max<uint64_t>(1, count)));
    };
    const auto one_of = [&](const std::array<int32_t, 4>& numbers) { return numbers[random.below(numbers.size())]; };
    switch (move.kind) {
        case Kind::bound:
            move.index = 1 + index_below(blocks_.problem().devices() - 1);
            move.by = one_of(bound_steps);
            break;
        case Kind::split: move.index = index_below(weights_.size()); break;
        case Kind::part: move.index = 1 + index_below(block.last - block.first - 1); break;
        case Kind::join: move.index = index_below(2); break;
        case Kind::shift: move.by = one_of(border_steps); break;
        case Kind::like_before:
        case Kind::boundary: break;
    }
    return move;
}

std::optional<Plan> Moves::apply(const Plan& plan, const Move& move) {
    if (move.block >= plan.blocks.size()) return std::nullopt;
    Plan made = plan;
    Block& block = made.blocks[move.block];
    switch (move.kind) {
        case Move::Kind::bound: return moved_bound(std::move(made), move);
        case Move::Kind::split:
            if (move.index >= weights_.size()) return std::nullopt;
            block.bounds = block_by_weight(blocks_, block.first, block.last, weights_[move.index]).bounds;
            break;
        case Move::Kind::like_before:
            if (move.block == 0) return std::nullopt;
            block.bounds = resized(made.blocks[move.block - 1], block.first, block.last).bounds;
            break;
        case Move::Kind::boundary: block.boundary_first = !block.boundary_first; break;
        case Move::Kind::join: return joined(std::move(made), move);
        case Move::Kind::part: return parted(std::move(made), move);
        case Move::Kind::shift: return shifted(std::move(made), move);
    }
    if (made == plan) return std::nullopt;
    return made;
}

std::optional<Plan> Moves::moved_bound(Plan plan, const Move& move) const {
    Block& block = plan.blocks[move.block];
    if (move.index == 0 || move.index + 1 >= block.bounds.size()) return std::nullopt;
    const int64_t old = block.bounds[move.index];
    const int64_t wanted = std::clamp<int64_t>(old + move.by, 0, block.bounds.back());
    if (wanted == old) return std::nullopt;
    for (uint32_t i = 1; i + 1 < block.bounds.size(); ++i) {
        int64_t& bound = block.bounds[i];
        if (i <= move.index) bound = std::min(bound, wanted);
        if (i >= move.index) bound = std::max(bound, wanted);
    }
    block.bounds[move.index] = wanted;
    if (!allowed(block)) return std::nullopt;
    return plan;
}

std::optional<Plan> Moves::joined(Plan plan, const Move& move) {
    if (move.block + 1 >= plan.blocks.size()) return std::nullopt;
    const Block& one = plan.blocks[move.block];
    const Block& other = plan.blocks[move.block + 1];
    Block both = resized(move.index == 0 ? one : other, one.first, other.last);
    both.boundary_first = other.boundary_first;
    plan.blocks[move.block] = std::move(both);
    plan.blocks.erase(plan.blocks.begin() + move.block + 1);
    return plan;
}

std::optional<Plan> Moves::parted(Plan plan, const Move& move) {
    const Block whole = plan.blocks[move.block];
    const uint32_t border = whole.first + move.index;
    if (move.index == 0 || border >= whole.last) return std::nullopt;
    plan.blocks[move.block] = resized(whole, whole.first, border);
    plan.blocks.insert(plan.blocks.begin() + move.block + 1, resized(whole, border, whole.last));
    return plan;
}

std::optional<Plan> Moves::shifted(Plan plan, const Move& move) {
    if (move.block + 1 >= plan.blocks.size()) return std::nullopt;
    Block& one = plan.blocks[move.block];
    Block& other = plan.blocks[move.block + 1];
    const int64_t border = int64_t{one.last} + move.by;
    if (border <= one.first || border >= other.last) return std::nullopt;
    one = resized(one, one.first, static_cast<uint32_t>(border));
    other = resized(other, static_cast<uint32_t>(border), other.last);
    return plan;
}

Block Moves::resized(const Block& like, uint32_t first, uint32_t last) {
    Block block{first, last, {}, like.boundary_first};
    const int64_t rows = blocks_.facts(first, last).reference_rows;
    const int64_t before = like.bounds.back();
    if (rows == 1) {  // to the device that had most
        for (size_t device = 0; device < like.bounds.size(); ++device)
            block.bounds.push_back(device <= like.lead() ? 0 : 1);
        return block;
    }
    for (const int64_t bound : like.bounds) block.bounds.push_back(Blocks::scaled({bound, bound}, before, rows).begin);
    return block;
}

bool Moves::allowed(const Block& block) const {
    for (size_t device = 0; device + 1 < block.bounds.size(); ++device)
        if (!block.part(device).empty() && !blocks_.problem().device(device).has_model) return false;
    return true;
}

}  // namespace eddy::planner::edgeflow
